"""Mail of mailing lists on its way: posts to subscribers, reports about copies, words to a list."""
