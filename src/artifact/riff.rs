//! The chunks that follow the samples in a WAVE file.
//!
//! Layouts: Microsoft and IBM, *Multimedia Programming Interface and Data Specifications 1.0* (1991), chapters 2 and 3.
//! Every chunk is a four-letter id, a 32-bit little-endian size, the body, and one zero byte if the size is odd
//! (which the size does not count).

use super::tags::Tags;

/// The chunk of Timbre's own: a JSON object with title, prompt, provenance and loudness. Readers skip ids they do not know.
const PROVENANCE: [u8; 4] = *b"tmbr";

/// Everything a file says about itself: `LIST INFO`, `cue `, `LIST adtl` and `tmbr`, in this order.
pub(super) fn metadata(tags: &Tags) -> Vec<u8> {
    let mut chunks = info(tags);
    if !tags.marks.is_empty() {
        chunks.extend(cue(tags));
        chunks.extend(labels(tags));
    }
    chunks.extend(chunk(PROVENANCE, tags.provenance.as_bytes()));
    chunks
}

/// One chunk with its pad byte.
pub(super) fn chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 9);
    bytes.extend(id);
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// `LIST INFO`: title, software, date, genre, comment.
fn info(tags: &Tags) -> Vec<u8> {
    let entries = [
        (*b"INAM", &tags.title),
        (*b"ISFT", &tags.software),
        (*b"ICRD", &tags.date),
        (*b"IGNR", &tags.style),
        (*b"ICMT", &tags.comment),
    ];
    let mut body = b"INFO".to_vec();
    for (id, text) in entries {
        body.extend(chunk(id, &zero_ended(text)));
    }
    chunk(*b"LIST", &body)
}

/// `cue `: one point per section, numbered from 1.
fn cue(tags: &Tags) -> Vec<u8> {
    let mut body = (tags.marks.len() as u32).to_le_bytes().to_vec();
    for (number, mark) in (1_u32..).zip(&tags.marks) {
        let frame = (mark.start_frame as u32).to_le_bytes();
        body.extend(number.to_le_bytes());
        body.extend(frame);
        body.extend(*b"data");
        body.extend([0; 8]);
        body.extend(frame);
    }
    chunk(*b"cue ", &body)
}

/// `LIST adtl`: the label of each cue point.
fn labels(tags: &Tags) -> Vec<u8> {
    let mut body = b"adtl".to_vec();
    for (number, mark) in (1_u32..).zip(&tags.marks) {
        let mut label = number.to_le_bytes().to_vec();
        label.extend(zero_ended(&mark.label));
        body.extend(chunk(*b"labl", &label));
    }
    chunk(*b"LIST", &body)
}

/// UTF-8, ended by a zero byte and therefore without any inside.
fn zero_ended(text: &str) -> Vec<u8> {
    text.bytes().filter(|&byte| byte != 0).chain([0]).collect()
}
