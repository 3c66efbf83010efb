"""What goes wrong."""


class SettingsError(Exception):
    """Settings cannot be read or used; the text is one sentence that says where and why."""
