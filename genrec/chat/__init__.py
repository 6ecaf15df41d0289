"""Several turns that refine a wish: what is surely said becomes filters, the rest is looked for."""

from genrec.chat.reader import ChatReader
from genrec.chat.state import ChatState, read_messages
from genrec.chat.turn import ChatAnswer, write_answer

__all__ = ["ChatAnswer", "ChatReader", "ChatState", "read_messages", "write_answer"]
