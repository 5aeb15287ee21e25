"""Queue of requests and answers: contracts and stores."""
