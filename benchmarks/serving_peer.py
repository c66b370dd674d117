"""What one writes first: a FastAPI handler around `SentenceTransformer.encode`, one text a call.

python benchmarks/serving_peer.py MODEL PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

app = FastAPI()
model: SentenceTransformer


class Asked(BaseModel):
    """What is sent to both servers."""

    input: str
    model: str


@app.post("/v1/embeddings")
def embeddings(asked: Asked) -> dict[str, Any]:
    """Embed one text, in one of the threads that FastAPI gives to plain functions."""
    vector = model.encode(asked.input, normalize_embeddings=True, show_progress_bar=False)
    data = [{"object": "embedding", "index": 0, "embedding": vector.tolist()}]
    return {"object": "list", "data": data, "model": asked.model}


if __name__ == "__main__":
    model = SentenceTransformer(sys.argv[1], device="cpu")
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
