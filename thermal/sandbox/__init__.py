"""Decoding in processes of their own, with limits: what a file does to one of them stays there."""

from __future__ import annotations

from thermal.sandbox.decoder import Decoder, EncodedImage, InProcess
from thermal.sandbox.pool import Sandbox, SandboxLimits, SandboxUnavailable

__all__ = ["Decoder", "EncodedImage", "InProcess", "Sandbox", "SandboxLimits", "SandboxUnavailable"]
