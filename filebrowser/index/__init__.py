"""What lies in the trees and how its pictures were made, kept so that it is found at once."""
