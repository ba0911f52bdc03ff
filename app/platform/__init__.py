"""Input and output with no word of the domain: settings, database, queue, events, HTTP edge."""
