"""Mail that is fetched from accounts on other servers."""
