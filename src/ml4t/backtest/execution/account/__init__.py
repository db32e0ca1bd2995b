"""Account: what increases may use, and what happens when it does not suffice."""
