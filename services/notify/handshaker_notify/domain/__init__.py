"""The rules of wake-ups: who may set a target, what it says, and how often it fires. No I/O."""
