"""Nearest words over HTTP as a gensim user would serve them; the same answer as ours, to the letter.

    GENSIM_VECTORS=vectors.kv python -m uvicorn gensim_service:app --app-dir benches/peers --workers 2
"""

import os

from fastapi import FastAPI, HTTPException
from gensim.models import KeyedVectors

vectors = KeyedVectors.load(os.environ["GENSIM_VECTORS"], mmap="r")
app = FastAPI()


@app.get("/api/v1/words/{set}/neighbors")
def neighbors(set: str, word: str, k: int = 10):
    if word not in vectors:
        raise HTTPException(404, f"the word {word!r} is unknown")
    found = vectors.most_similar(word, topn=k)
    return {"set": set, "word": word, "k": k, "neighbors": [{"word": other, "similarity": float(similarity)} for other, similarity in found]}
