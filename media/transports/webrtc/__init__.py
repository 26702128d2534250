"""Calls from browsers: WebRTC with our own reordering and Opus path on aiortc's ICE, DTLS and SRTP.

aiortc's own audio path holds back four frames (80 ms), and after one lost packet sixteen for the rest of the call; it
also decodes and encodes on threads, which costs more than the work. Here packets are decoded as they arrive.
"""
