return acts[ARGV[1]]()
