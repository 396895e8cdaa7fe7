import keras
import numpy as np
import pytest
from keras import ops

from bertedu import BertEmbeddings


def test_by_hand():
    layer = BertEmbeddings(3, hidden_size=2, max_sequence_length=2, type_vocab_size=2)
    layer.build()
    layer.word_embeddings.embeddings.assign([[0.0, 0.0], [1.0, 0.0], [0.0, 9.0]])
    layer.position_embedding.embeddings.assign([[0.0, 0.0], [4.0, 1.0]])
    layer.type_embeddings.embeddings.assign([[1.0, 0.0], [0.0, 0.0]])
    # sums: (1 + 0 + 1, 0) and (0 + 4 + 0, 9 + 1); two numbers, centered and scaled, are always 1 and -1
    got = ops.convert_to_numpy(layer(np.array([[1, 2]]), np.array([[0, 1]])))[0]
    np.testing.assert_allclose(got, [[1, -1], [-1, 1]], atol=1e-6)
    layer.layer_norm.gamma.assign([2.0, 3.0])
    layer.layer_norm.beta.assign([0.5, 0.0])
    got = ops.convert_to_numpy(layer(np.array([[1, 2]]), np.array([[0, 1]])))[0]
    np.testing.assert_allclose(got, [[2.5, -3], [-1.5, 3]], atol=1e-5)


def test_the_projection_exists_only_for_another_width():
    assert BertEmbeddings(5, hidden_size=4, embedding_width=4).projection is None
    narrow = BertEmbeddings(5, hidden_size=4, embedding_width=3)
    assert narrow(np.array([[1]]), np.array([[0]])).shape == (1, 1, 4)
    assert narrow.word_embeddings.embeddings.shape == (5, 3) and narrow.layer_norm.gamma.shape == (3,)


def test_dropout_comes_after_the_normalization():
    layer = BertEmbeddings(5, hidden_size=64, dropout=0.5)
    ids = np.array([[1, 2, 3]])
    in_inference = ops.convert_to_numpy(layer(ids, ids * 0))
    in_training = ops.convert_to_numpy(layer(ids, ids * 0, training=True))
    not_dropped = in_training != 0
    assert 0.3 < not_dropped.mean() < 0.7
    np.testing.assert_allclose(in_training[not_dropped], 2 * in_inference[not_dropped], rtol=1e-5)


def test_a_model_with_a_given_word_table_reloads(tmp_path):
    ids, types = (keras.Input((None,), dtype="int32") for _ in range(2))
    model = keras.Model([ids, types], BertEmbeddings(5, 4, embedding_layer=keras.layers.Embedding(5, 4))(ids, types))
    model.save(tmp_path / "m.keras")
    values = [np.array([[1, 4]]), np.array([[0, 1]])]
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(values), model(values))


@pytest.mark.parametrize("sizes", [{"vocab_size": 0}, {"vocab_size": 5, "type_vocab_size": 0}, {"vocab_size": 2.5}])
def test_tables_without_rows_are_refused(sizes):
    with pytest.raises(ValueError, match="(type_)?vocab_size: .* whole number"):
        BertEmbeddings(**sizes)
