"""What an unattended agent may do, in the words of the spec's `permissions`."""

from __future__ import annotations

from typing import Literal

# full: whatever it wants. edit: commands, and files of its WorkSpace, WorkTrees and HOME. read: look and think.
Permissions = Literal["full", "edit", "read"]
DEFAULT_PERMISSIONS: Permissions = "edit"
