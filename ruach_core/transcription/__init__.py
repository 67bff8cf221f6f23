"""The run time: audio of any length to text and subtitles; nothing in here loads torch."""
