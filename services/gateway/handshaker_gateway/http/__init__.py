"""The aiohttp side: connections, requests, answers. It decides nothing that `domain` could decide."""
