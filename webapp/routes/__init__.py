"""Blueprint factories, a module for each family of routes: ``blueprint(services) -> Blueprint``."""
