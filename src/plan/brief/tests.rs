use super::*;

fn brief(prompt: &str) -> Brief {
    read(prompt, "")
}

fn names(brief: &Brief) -> Vec<&'static str> {
    brief.wanted.iter().map(|said| said.value.candidates[0]).collect()
}

#[test]
fn reads_the_example() {
    let brief = brief("dreamy piano over rain, 72 bpm, in D minor");
    assert_eq!(names(&brief), ["piano", "rain"]);
    assert_eq!(brief.moods[0].value.name, "dreamy");
    assert_eq!(brief.tempo, Some(Said { value: Tempo::Exact(72.0), words: "72 bpm".into() }));
    assert_eq!(brief.key.map(|said| said.value.to_string()), Some("D minor".into()));
    assert!(brief.not_understood.is_empty(), "{:?}", brief.not_understood);
}

#[test]
fn tempi_in_numbers() {
    for prompt in [
        "at 90bpm",
        "90 BPM!",
        "90BPM",
        "piano,90bpm",
        "tempo of 90",
        "tempo: 90",
        "bpm 90",
        "90 beats per minute",
        "tempo 90 bpm ok",
        "90 bpm, then 120 bpm",
        "piano at 90 in D minor",
        "tempo set to 90",
    ] {
        assert_eq!(brief(prompt).tempo.map(|said| said.value), Some(Tempo::Exact(90.0)), "{prompt}");
    }
    for prompt in
        ["90-100 bpm", "90 to 100 bpm", "between 90 and 100", "tempo 90-100", "90–100bpm", "at 90-100"]
    {
        let tempo = brief(prompt).tempo.map(|said| said.value);
        assert_eq!(tempo, Some(Tempo::Between([90.0, 100.0])), "{prompt}");
    }
    for prompt in
        ["90 violins", "tempo", "slow piano, 2 guitars", "at 90 seconds", "at 90%", "1990", "around noon"]
    {
        let tempo = brief(prompt).tempo.filter(|said| !matches!(said.value, Tempo::Between(_)));
        assert!(tempo.is_none() || prompt == "at 90%", "{prompt}: {tempo:?}");
    }
    assert_eq!(brief("90 bpm, then 120 bpm").not_understood, ["120 bpm"]);
}

#[test]
fn lengths_and_what_only_looks_like_them() {
    for (prompt, seconds) in [
        ("two minutes", 120.0),
        ("two-minute piece", 120.0),
        ("2min", 120.0),
        ("90 seconds", 90.0),
        ("a minute", 60.0),
        ("half a minute", 30.0),
        ("2 and a half minutes", 150.0),
        ("one minute and a half", 90.0),
        ("1 minute and 15 seconds", 75.0),
        ("lasting 90s", 90.0),
        ("a 60s loop", 60.0),
        ("30s of wind", 30.0),
        ("2:05", 125.0),
    ] {
        assert_eq!(brief(prompt).length.map(|said| said.value), Some(Length::Seconds(seconds)), "{prompt}");
    }
    assert_eq!(brief("32 measures").length.map(|said| said.value), Some(Length::Bars(32.0)));
    for prompt in
        ["90s rock", "the 80s", "4 bar intro", "every 8 bars", "drop after 30 seconds", "7/8", "1920s"]
    {
        assert_eq!(brief(prompt).length, None, "{prompt}");
    }
}

#[test]
fn keys_and_articles() {
    for (prompt, key) in [
        ("a song in F# dorian", "F# dorian"),
        ("b flat major hymn", "Bb major"),
        ("in Am", "A minor"),
        ("key of C", "C major"),
        ("in a minor", "A minor"),
        ("Eb", "Eb major"),
        ("Am I blue", ""),
        ("I am in love", ""),
        ("a piano", ""),
        ("a blues in A minor pentatonic", "A minor"),
        ("C#m 80bpm", "C# minor"),
        ("in E flat, slowly", "Eb major"),
        ("B flat, slowly", "Bb major"),
        ("in A", "A major"),
        ("guitar with a sharp attack", ""),
        ("a major upgrade of funk", ""),
        ("Lost In A Dream", ""),
        ("PIANO IN A DARK FOREST", ""),
        ("be happy", ""),
    ] {
        assert_eq!(brief(prompt).key.map_or(String::new(), |said| said.value.to_string()), key, "{prompt}");
    }
    let minor = brief("in a minor key");
    assert_eq!((minor.key, minor.mode.map(|said| said.value)), (None, Some(Mode::Minor)));
    assert_eq!(brief("harmonic minor lead").mode.map(|said| said.value), Some(Mode::HarmonicMinor));
}

#[test]
fn negations_end_where_a_reader_ends_them() {
    for (prompt, out, wanted) in [
        ("no drums, piano", "drums", "piano"),
        ("no drums but piano", "drums", "piano"),
        ("no drums with piano", "drums", "piano"),
        ("no drums just piano", "drums", "piano"),
        ("no drums and a piano", "drums", "piano"),
        ("no drums and piano", "drums piano", ""),
        ("no drums, piano, or bass", "drums piano bass", ""),
        ("without a drum and a bass", "drum bass", ""),
        ("no drums. piano or strings", "drums", "piano strings"),
        ("not sad piano", "", "piano"),
        ("no sad piano", "piano", ""),
    ] {
        let brief = brief(prompt);
        let left_out: Vec<String> = brief.left_out.iter().map(|said| said.words.clone()).collect();
        assert_eq!(left_out.join(" "), out, "{prompt}");
        assert_eq!(names(&brief).join(" "), wanted, "{prompt}");
    }
}

#[test]
fn what_shall_not_be_is_never_taken_for_the_opposite() {
    let brief_of = brief("piano, not in D minor, not 90 bpm, no 3/4");
    assert_eq!((brief_of.key, brief_of.tempo, brief_of.metre), (None, None, None));
    assert_eq!(brief_of.not_understood, ["D minor", "90 bpm", "3/4"]);
    let refused = read("jazz", "D minor, drums with electric piano");
    assert_eq!(refused.not_understood, ["D minor"]);
    assert!(["drums", "brushes", "electric_piano"].iter().all(|name| refused.excluded().contains(name)));
    assert_eq!(brief("non-stop techno").styles[0].value.name, "techno");
}

#[test]
fn a_family_leaves_as_a_whole_but_for_whom_is_asked_for() {
    let excluded = brief("no guitar but a banjo and a slide guitar");
    assert!(excluded.excluded().contains(&"lead_guitar"));
    assert!(!["banjo", "slide_guitar"].iter().any(|name| excluded.excluded().contains(name)));
    // A negative prompt knows no exceptions.
    assert!(read("slide guitar", "guitar").excluded().contains(&"slide_guitar"));
}

#[test]
fn commas_need_no_space() {
    let brief = brief("lofi,chill,piano,rain");
    assert_eq!(
        (brief.styles[0].value.name.as_str(), names(&brief).join(" ").as_str()),
        ("lofi", "piano rain")
    );
    assert!(read("lofi", "drums,vinyl").excluded().contains(&"vinyl"));
}

#[test]
fn the_longest_phrase_wins() {
    assert_eq!(names(&brief("electric piano")), ["electric_piano"]);
    assert_eq!(brief("drum and bass").styles[0].value.name, "drum_and_bass");
    assert_eq!(names(&brief("drums and bass")), ["drums", "bass"]);
    assert_eq!(names(&brief("piano, strings, bells")), ["piano", "strings", "bells"]);
    let tempo = brief("very slow waltz").tempo.map(|said| said.value);
    assert_eq!(tempo, Some(Tempo::Between([44.0, 58.0])));
}

#[test]
fn what_is_not_understood_is_said() {
    assert_eq!(brief("zither and kazoo at dusk").not_understood, ["zither", "kazoo", "dusk"]);
    let brief = brief("singing robots");
    assert_eq!(brief.impossible[0].words, "singing");
}

#[test]
fn a_number_stands_before_an_earlier_word() {
    for prompt in ["pop ballad with piano, 68 bpm in F major", "68 bpm, a slow piece"] {
        let read = brief(prompt);
        assert_eq!(read.tempo.map(|said| said.value), Some(Tempo::Exact(68.0)), "{prompt}");
    }
}
