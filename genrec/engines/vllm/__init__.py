"""vLLM as an engine: a plugin that masks, a beam loop beside the engine, and a client.

``client`` runs in the process that asks and needs no vLLM. Everything else runs where vLLM is
installed: ``processor`` and ``masking`` in the engine's processes, ``routes``, ``search`` and
``adapters`` in its API server.
"""
