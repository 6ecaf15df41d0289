"""Several turns that refine a wish: what is surely said becomes filters, the rest is looked for."""

from genrec.chat.reader import ChatReader
from genrec.chat.state import ChatState, read_messages
from genrec.chat.turn import ChatAnswer, Talker, write_answer

__all__ = ["ChatAnswer", "ChatReader", "ChatState", "Talker", "read_messages", "write_answer"]
