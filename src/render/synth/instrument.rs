//! Who can play: names, stem groups and ranges.

/// Every sound maker, in the order in which tracks are rendered and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Instrument {
    Drums,
    Brushes,
    ElectronicDrums,
    Percussion,
    Bass,
    UprightBass,
    SynthBass,
    Piano,
    ElectricPiano,
    Organ,
    Strings,
    Guitar,
    Harp,
    Brass,
    Flute,
    Pad,
    Choir,
    Lead,
    Bells,
    Marimba,
    Rain,
    Wind,
    Sea,
    Vinyl,
}

/// What kind of part an instrument plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Drums and percussion.
    Kit,
    /// Pitched, and a note sounds as long as it is held.
    Held,
    /// Pitched, and a note dies away by itself.
    Struck,
    /// No notes: runs through a section.
    Texture,
}

/// The stem groups, in their order.
pub(super) const GROUPS: [&str; 12] = [
    "drums",
    "percussion",
    "bass",
    "keys",
    "strings",
    "guitars",
    "brass",
    "winds",
    "pads",
    "leads",
    "bells",
    "textures",
];

impl Instrument {
    /// Every instrument, in order.
    pub(super) const ALL: [Self; 24] = [
        Self::Drums,
        Self::Brushes,
        Self::ElectronicDrums,
        Self::Percussion,
        Self::Bass,
        Self::UprightBass,
        Self::SynthBass,
        Self::Piano,
        Self::ElectricPiano,
        Self::Organ,
        Self::Strings,
        Self::Guitar,
        Self::Harp,
        Self::Brass,
        Self::Flute,
        Self::Pad,
        Self::Choir,
        Self::Lead,
        Self::Bells,
        Self::Marimba,
        Self::Rain,
        Self::Wind,
        Self::Sea,
        Self::Vinyl,
    ];

    /// As in plans.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Drums => "drums",
            Self::Brushes => "brushes",
            Self::ElectronicDrums => "electronic_drums",
            Self::Percussion => "percussion",
            Self::Bass => "bass",
            Self::UprightBass => "upright_bass",
            Self::SynthBass => "synth_bass",
            Self::Piano => "piano",
            Self::ElectricPiano => "electric_piano",
            Self::Organ => "organ",
            Self::Strings => "strings",
            Self::Guitar => "guitar",
            Self::Harp => "harp",
            Self::Brass => "brass",
            Self::Flute => "flute",
            Self::Pad => "pad",
            Self::Choir => "choir",
            Self::Lead => "lead",
            Self::Bells => "bells",
            Self::Marimba => "marimba",
            Self::Rain => "rain",
            Self::Wind => "wind",
            Self::Sea => "sea",
            Self::Vinyl => "vinyl",
        }
    }

    /// The instrument of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|instrument| instrument.name() == name)
    }

    /// Index of its stem in [`GROUPS`].
    pub(super) fn group(self) -> usize {
        match self {
            Self::Drums | Self::Brushes | Self::ElectronicDrums => 0,
            Self::Percussion => 1,
            Self::Bass | Self::UprightBass | Self::SynthBass => 2,
            Self::Piano | Self::ElectricPiano | Self::Organ => 3,
            Self::Strings => 4,
            Self::Guitar | Self::Harp => 5,
            Self::Brass => 6,
            Self::Flute => 7,
            Self::Pad | Self::Choir => 8,
            Self::Lead => 9,
            Self::Bells | Self::Marimba => 10,
            Self::Rain | Self::Wind | Self::Sea | Self::Vinyl => 11,
        }
    }

    /// What kind of part it plays.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Drums | Self::Brushes | Self::ElectronicDrums | Self::Percussion => Family::Kit,
            Self::SynthBass
            | Self::Organ
            | Self::Strings
            | Self::Brass
            | Self::Flute
            | Self::Pad
            | Self::Choir
            | Self::Lead => Family::Held,
            Self::Bass
            | Self::UprightBass
            | Self::Piano
            | Self::ElectricPiano
            | Self::Guitar
            | Self::Harp
            | Self::Bells
            | Self::Marimba => Family::Struck,
            Self::Rain | Self::Wind | Self::Sea | Self::Vinyl => Family::Texture,
        }
    }

    /// The MIDI pitch that its melodies move around.
    pub(super) fn melody_centre(self) -> i32 {
        match self {
            Self::Bass | Self::UprightBass | Self::SynthBass => 45,
            Self::Brass | Self::Choir | Self::Guitar => 65,
            Self::Strings | Self::ElectricPiano | Self::Organ | Self::Pad | Self::Marimba => 69,
            Self::Piano | Self::Harp | Self::Lead => 71,
            Self::Flute => 74,
            _ => 77,
        }
    }

    /// The MIDI pitch that its chords lie around.
    pub(super) fn harmony_centre(self) -> i32 {
        match self {
            Self::Bass | Self::UprightBass | Self::SynthBass => 43,
            Self::Guitar | Self::Brass => 57,
            Self::Pad | Self::Strings | Self::Choir => 60,
            Self::Piano | Self::ElectricPiano | Self::Organ => 59,
            Self::Harp | Self::Marimba | Self::Lead => 62,
            Self::Flute => 70,
            _ => 72,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_groups_exist() {
        for instrument in Instrument::ALL {
            assert_eq!(Instrument::named(instrument.name()), Some(instrument));
            assert!(instrument.group() < GROUPS.len());
        }
        assert_eq!(Instrument::named("kazoo"), None);
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(Instrument::ALL.is_sorted());
    }
}
