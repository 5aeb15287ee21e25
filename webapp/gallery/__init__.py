"""What a user makes of pictures and forms: stars and rejects, boards, presets."""
