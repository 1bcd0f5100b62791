"""Shared by all tests: the folder itself is importable, for helpers that modules in several folders use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
