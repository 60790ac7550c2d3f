"""The engines that run tasks: django-q2 on the database, or Celery with a broker."""
