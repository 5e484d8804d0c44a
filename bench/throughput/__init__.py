"""How many jobs a second go through PostgreSQL, Valkey, a dispatcher and Celery, and how soon one is taken."""
