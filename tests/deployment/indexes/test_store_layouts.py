"""What LlamaIndex, LangChain and plain tools find in the stores."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hashed import HashEncoder, passage

from homing.deployment.indexes.indexing import facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store

RULES = [passage(number) for number in range(30)]
ENCODER = HashEncoder()
WANTED = RULES[7]
QUERY = ENCODER.encode_queries([WANTED.embedded])[0].tolist()


def filled(location: str) -> str:
    """Fill a store with the rules; return what the location names."""
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(ENCODER, "a-model"), location)
        fill(store, lambda: iter(RULES), ENCODER)
    return parse_location(location).target


def llamaindex_node(*, with_text: bool = True):
    """Return the wanted rule as LlamaIndex's own node."""
    schema = pytest.importorskip("llama_index.core.schema")
    source = schema.RelatedNodeInfo(node_id=WANTED.document_id, node_type="4")
    return schema.TextNode(
        id_=WANTED.id,
        text=WANTED.text if with_text else "",
        metadata=WANTED.metadata(),
        excluded_embed_metadata_keys=["document_id", "start", "end", "path", "page"],
        excluded_llm_metadata_keys=["document_id", "start", "end"],
        relationships={schema.NodeRelationship.SOURCE: source},
        start_char_idx=WANTED.start,
        end_char_idx=WANTED.end,
    )


@pytest.mark.parametrize("with_text", [True, False])
def test_the_metadata_are_those_that_llamaindex_writes_itself(with_text: bool) -> None:
    utils = pytest.importorskip("llama_index.core.vector_stores.utils")
    node = llamaindex_node(with_text=with_text)
    theirs = utils.node_to_metadata_dict(node, flat_metadata=True)
    ours = WANTED.llamaindex_metadata(with_text=with_text)
    assert json.loads(ours.pop("_node_content")) == json.loads(theirs.pop("_node_content"))
    assert ours == theirs
    again = utils.metadata_dict_to_node(WANTED.llamaindex_metadata(with_text=with_text))
    assert again == node


def test_llamaindex_opens_the_lancedb_table_and_filters_by_its_metadata(place) -> None:
    stores = pytest.importorskip("llama_index.vector_stores.lancedb")
    types = pytest.importorskip("llama_index.core.vector_stores.types")
    folder = filled(place("lancedb"))
    store = stores.LanceDBVectorStore(uri=folder)  # the table's name is its own default
    found = store.query(types.VectorStoreQuery(query_embedding=QUERY, similarity_top_k=3))
    assert found.ids[0] == WANTED.id
    assert found.similarities[0] == pytest.approx(1.0, abs=1e-5)
    (node,) = found.nodes[:1]
    np.testing.assert_array_equal(np.float32(node.embedding), np.float32(QUERY))
    node.embedding = None
    assert node == llamaindex_node()
    assert node.get_content("llm") == (
        "title: Handbook > Rule 7\npath: handbook/part-0.pdf\npage: 3\n\n" + WANTED.text
    )
    only = types.MetadataFilters(filters=[types.MetadataFilter(key="document_id", value="doc-2")])
    query = types.VectorStoreQuery(query_embedding=QUERY, similarity_top_k=30, filters=only)
    assert {node.ref_doc_id for node in store.query(query).nodes} == {"doc-2"}


def test_llamaindex_adds_nodes_to_the_lancedb_table_and_ours_stay(place) -> None:
    stores = pytest.importorskip("llama_index.vector_stores.lancedb")
    schema = pytest.importorskip("llama_index.core.schema")
    location = place("lancedb")
    store = stores.LanceDBVectorStore(uri=filled(location), mode="append")
    theirs = schema.TextNode(text="Theirs.", id_="theirs", embedding=QUERY, metadata={"title": "T"})
    store.add([theirs])
    with closing(open_store(parse_location(location), write=True)) as ours:
        prepare(ours, facts_of(ENCODER, "a-model"), location)
        assert ours.count() == 31
        done = fill(ours, lambda: iter(RULES), ENCODER, keep_removed=True)
        assert (done.n_written, done.n_left) == (0, 1)


def test_the_lancedb_table_has_the_columns_of_langchain(place) -> None:
    import lancedb

    table = lancedb.connect(filled(place("lancedb"))).open_table("vectors")
    assert {"id", "vector", "text", "metadata"} <= set(table.schema.names)
    (row,) = table.search(QUERY).limit(1).to_list()
    assert (row["id"], row["text"]) == (WANTED.id, WANTED.text)
    assert row["metadata"]["title"] == "Handbook > Rule 7"


def test_the_qdrant_payload_serves_langchain_and_llamaindex(place) -> None:
    from qdrant_client import QdrantClient

    utils = pytest.importorskip("llama_index.core.vector_stores.utils")
    client = QdrantClient(path=filled(place("qdrant")))
    try:
        (point,) = client.query_points("homing", query=QUERY, limit=1).points
        vectors = client.get_collection("homing").config.params.vectors
    finally:
        client.close()
    assert vectors.size == 16  # one vector without a name, as both expect
    assert point.payload["page_content"] == WANTED.text
    assert point.payload["metadata"] == {**WANTED.metadata(), "passage_id": WANTED.id}
    assert utils.metadata_dict_to_node(point.payload) == llamaindex_node()
    assert point.payload["doc_id"] == WANTED.document_id


def test_the_chroma_collection_serves_langchain_and_llamaindex(place) -> None:
    import chromadb

    utils = pytest.importorskip("llama_index.core.vector_stores.utils")
    client = chromadb.PersistentClient(filled(place("chroma")))
    found = client.get_collection("homing").query(query_embeddings=[QUERY], n_results=1)
    (metadata,), (text,), (passage_id,) = (
        found[name][0] for name in ("metadatas", "documents", "ids")
    )
    client.close()
    assert (passage_id, text) == (WANTED.id, WANTED.text)
    assert utils.metadata_dict_to_node(metadata, text=text) == llamaindex_node()
    assert metadata["page"] == 3


def test_the_postgres_table_has_llamaindex_columns_and_its_index_is_used(place) -> None:
    import psycopg

    utils = pytest.importorskip("llama_index.core.vector_stores.utils")
    location = place("pgvector")
    url, table = filled(location), parse_location(location).name
    with psycopg.connect(url) as connection:
        row = connection.execute(
            f"SELECT node_id, text, metadata_ FROM {table} "
            "ORDER BY embedding <=> %s::vector LIMIT 1",
            (str(QUERY),),
        ).fetchone()
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            f"EXPLAIN SELECT id FROM {table} ORDER BY embedding <=> %s::vector LIMIT 1",
            (str(QUERY),),
        ).fetchall()
    assert row[:2] == (WANTED.id, WANTED.text)
    assert utils.metadata_dict_to_node(row[2], text=row[1]) == llamaindex_node()
    assert f"Index Scan using {table}_hnsw" in str(plan)


def test_faiss_reads_its_index_and_row_i_is_the_passage_of_vector_i(place) -> None:
    import faiss
    import pyarrow.parquet as pq

    folder = Path(filled(place("faiss")))
    index = faiss.read_index(str(folder / "index.faiss"))
    passages = pq.read_table(folder / "passages.parquet")
    assert index.ntotal == passages.num_rows == 30
    scores, rows = index.search(np.array([QUERY], dtype=np.float32), 1)
    assert scores[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert passages["id"][rows[0, 0].item()].as_py() == WANTED.id
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock", "_homing.json", "index.faiss", "passages.parquet",
    ]  # fmt: skip


def test_parquet_files_hold_vectors_texts_and_whose_they_are(place) -> None:
    import pyarrow.parquet as pq

    folder = Path(filled(place("parquet")))
    table = pq.read_table(folder)
    rows = {row["id"]: row for row in table.to_pylist()}
    assert rows[WANTED.id]["text"] == WANTED.text
    assert rows[WANTED.id]["page"] == 3
    np.testing.assert_array_equal(np.float32(rows[WANTED.id]["vector"]), np.float32(QUERY))
    part = pq.read_schema(folder / "part-000000.parquet")
    assert json.loads(part.metadata[b"homing"])["passage_key"] == ENCODER.key
