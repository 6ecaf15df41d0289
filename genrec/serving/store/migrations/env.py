"""What Alembic runs: the migrations, on the connection that ``store.migrate`` opened."""

from alembic import context

from genrec.serving.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
