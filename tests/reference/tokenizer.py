"""A small tokenizer of T5's kind: SentencePiece unigram, `</s>` appended, ids 0 1 2 = pad, end, unknown."""

import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

PIECES = 150
SENTINELS = 4

CORPUS = """
warm lofi piano with brushed drums and a soft upright bass
80s pop track with bassy drums and synth, bright and fast
90s rock song with loud guitars and heavy drums
a slow cinematic build of strings, horns and choir in D minor
calm ambient pads, no drums, long reverb, 60 bpm
energetic drum and bass at 174 bpm with a deep rolling sub
acoustic folk guitar, fingerpicked, with a light shaker
smooth jazz quartet: saxophone, piano, double bass, ride cymbal
dark techno, distorted kick, hypnotic acid line
cheerful ukulele and hand claps for a holiday film
orchestral waltz in three four time, elegant and light
funk groove with slap bass, clavinet and tight horns
dub reggae, tape echo, off-beat organ and a heavy bass line
baroque harpsichord with a walking cello
solo violin over a quiet drone; sad, slow and far away
chiptune arcade melody, square waves and noise drums
"""

# A few rules of compatibility normalisation (hexadecimal code points): enough to make the precompiled map a real one.
RULES = {
    "\u00a0": " ", "\t": " ", "\n": " ", "\u2026": "...", "\u00bd": "1/2", "\ufb01": "fi", "\ufb02": "fl",
    "\uff21": "A", "\uff41": "a", "e\u0301": "\u00e9",
}  # fmt: skip

SAMPLES = [
    "warm lofi piano with brushed drums",
    "  two   spaces\tand a tab ",
    "",
    "D minor, 174 bpm!",
    "\ufb01nger\u2026\u00a0\u00bd cafe\u0301 \uff21 ♫ 琴",
    "a </s> in the middle",
    "<extra_id_0> sentinel",
    "supercalifragilistic" * 3,
]


def code_points(text: str) -> str:
    return " ".join(f"{ord(character):x}" for character in text)


def train() -> sentencepiece_model_pb2.ModelProto:
    """Trains the unigram model on `CORPUS`, with T5's ids for the special pieces."""
    rules = "".join(f"{code_points(a)}\t{code_points(b)}\n" for a, b in RULES.items())
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write(rules)
        file.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS.strip().splitlines()), model_writer=model, model_type="unigram",
            vocab_size=PIECES, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_tsv=file.name,
            num_threads=1, minloglevel=2,
        )  # fmt: skip
    return sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())


def build() -> Tokenizer:
    """The trained pieces in the layout of T5's own `tokenizer.json`."""
    trained = train()
    special = [AddedToken(token, special=True, normalized=False) for token in ("<pad>", "</s>", "<unk>")]
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(SENTINELS))]
    vocabulary = [(piece.piece, piece.score) for piece in trained.pieces] + [(s, 0.0) for s in sentinels]

    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(trained.normalizer_spec.precompiled_charsmap)
    metaspace = dict(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)])
    tokenizer.decoder = decoders.Metaspace(**metaspace)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    tokenizer.add_special_tokens(special + [AddedToken(s, special=True, normalized=False) for s in sentinels])
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """tokenizer.json, and what transformers wants beside it."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
