"""The collection against what people use instead, in the same run on the same API server. See docs/performance.md."""
