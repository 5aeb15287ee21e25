"""Pictures that users brought: opened within bounds, shown small, asked how they were made."""
