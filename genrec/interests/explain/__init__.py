"""Why an item: how much each event of a history changes the score of a recommendation."""
