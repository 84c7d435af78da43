"""An empty database with an owner as RDS has it, on the PostgreSQL of a local stack.

The owner is not a superuser. RDS has a role `rds_iam`, which the owner grants to the users of worker and functions.
"""

import secrets
import urllib.parse

from pg8000.native import Connection, literal

OWNER = "orderflow_owner"
USERS = ("orderflow_worker", "orderflow_reader", "orderflow_admin")


class OwnedDatabase:
    """A database that exists within a `with` block. `url` is the address of another database on the same server."""

    def __init__(self, url):
        parsed = urllib.parse.urlparse(url)
        self.host, self.port = parsed.hostname, parsed.port or 5432
        self.admin = {"user": parsed.username, "password": parsed.password, "database": parsed.path.lstrip("/")}
        self.name = f"emulated_{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(16)

    def __enter__(self):
        self.as_admin(
            f"create role {OWNER} login createrole password {literal(self.password)}",
            "create role rds_iam",
            f"grant rds_iam to {OWNER} with admin option",
        )
        self.create()
        return self

    def __exit__(self, *_):
        self.drop()
        names = ", ".join((*USERS, "rds_iam", OWNER))
        self.as_admin(f"drop role if exists {names}")

    def create(self):
        self.as_admin(f"create database {self.name} owner {OWNER}")

    def drop(self):
        self.as_admin(f"drop database if exists {self.name} with (force)")

    def as_admin(self, *statements):
        self._run(self.admin, statements)

    def run(self, *statements):
        """Runs statements as the owner and returns the rows of the last one."""
        return self._run({"user": OWNER, "password": self.password, "database": self.name}, statements)

    def _run(self, login, statements):
        connection = Connection(host=self.host, port=self.port, **login)
        try:
            rows = None
            for statement in statements:
                rows = connection.run(statement)
            return rows
        finally:
            connection.close()

    def migrations(self):
        """Returns the number of applied migrations."""
        [[exists]] = self.run("select to_regclass('_sqlx_migrations') is not null")
        return self.run("select count(*) from _sqlx_migrations where success")[0][0] if exists else 0

    def reader_may_read_orders(self):
        [[may]] = self.run("select has_table_privilege('orderflow_reader', 'orders', 'select')")
        return may
