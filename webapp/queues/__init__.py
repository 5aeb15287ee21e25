"""Where requests wait and answers lie: the contracts and their stores."""
