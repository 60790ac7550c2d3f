"""The REST API: the panel's services for programs of resellers and operators (X-002)."""
