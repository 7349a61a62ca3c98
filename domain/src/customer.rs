//! Customers: who buys and who writes, as far as that is certain.
//!
//! What is known of a person are identities: a whole phone, and the person's id in a channel. A
//! document that carries both binds them. Identities that bindings connect are one customer
//! ([`regroup`]); nothing else ever joins two: no name, no e-mail, no address, no masked phone, and
//! no phone that stands in a free text. The recipient of an order is not its buyer.
//!
//! It does not know how identities are stored, and it never sees more of them than the few that a
//! new binding touches.

mod consent;
mod grouping;
#[cfg(test)]
mod properties;

pub use consent::{Consent, ConsentSource, ConsentState, consent_of, standing};
pub use grouping::{Binding, Limits, Member, Regrouped, regroup};

use crate::conversation::Heard;
use crate::order::looks_masked;
use crate::phone::{Parsed, Phone};
use crate::snapshot::{Buyer, Snapshot};

/// A channel's id of a person is at most so long, bytes. Longer ones are no ids, and no index takes
/// them.
const MOST_ID_BYTES: usize = 200;

/// A name is kept up to so many characters.
const MOST_NAME_CHARS: usize = 120;

/// A person's id within one channel. Ids of two channels never name the same person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User {
    /// Our id of the channel.
    pub channel: String,
    /// The channel's id of the person.
    pub id: String,
}

/// Something that belongs to exactly one customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A whole phone.
    Phone(Phone),
    /// A person in a channel.
    User(User),
}

impl Identity {
    /// The one spelling under which it is stored: `phone:+84901234567`, `user:zalo-oa:2468`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Phone(phone) => format!("phone:{}", phone.as_str()),
            Self::User(user) => format!("user:{}:{}", user.channel, user.id),
        }
    }

    /// Reads a stored key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        if let Some(number) = key.strip_prefix("phone:") {
            return whole(number).map(Self::Phone);
        }
        // A channel's id has no colon; a person's may.
        let (channel, id) = key.strip_prefix("user:")?.split_once(':')?;
        Some(Self::User(User {
            channel: channel.to_owned(),
            id: id.to_owned(),
        }))
    }
}

/// What one document says of the person who buys or writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Who it is in the channel.
    pub user: Option<User>,
    /// The person's own phone.
    pub phone: Option<Phone>,
    /// The person's name, unless the channel hides part of it.
    pub name: Option<String>,
}

/// Who receives the goods, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recipient<'a> {
    /// Name.
    pub name: Option<&'a str>,
    /// Phone.
    pub phone: Option<&'a str>,
}

impl Evidence {
    /// The evidence of an order's document. The recipient counts only where the document has
    /// nothing at all of its buyer: neither an id nor a phone, not even a hidden one.
    #[must_use]
    pub fn of_buyer(channel: &str, buyer: &Buyer, recipient: Recipient<'_>) -> Self {
        let user = user(channel, buyer.external_id.as_deref());
        let written = buyer
            .phone
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        let mut evidence = Self {
            phone: written.and_then(whole),
            name: name(buyer.name.as_deref()),
            user,
        };
        if evidence.user.is_none() && written.is_none() {
            evidence.phone = recipient.phone.and_then(whole);
            if evidence.name.is_none() {
                evidence.name = name(recipient.name);
            }
        }
        evidence
    }

    /// The evidence of a snapshot. One that has neither a buyer nor lines reports on something
    /// else, a parcel or a new address.
    #[must_use]
    pub fn of_snapshot(channel: &str, snapshot: &Snapshot) -> Self {
        if snapshot.buyer.is_none() && snapshot.lines.is_none() {
            return Self::default();
        }
        let recipient = snapshot
            .ship_to
            .as_ref()
            .map(|ship_to| Recipient {
                name: ship_to.name.as_deref(),
                phone: ship_to.phone.as_deref(),
            })
            .unwrap_or_default();
        let nobody = Buyer::default();
        Self::of_buyer(
            channel,
            snapshot.buyer.as_ref().unwrap_or(&nobody),
            recipient,
        )
    }

    /// The evidence of a message. A phone counts where the person filled it into a form, not where
    /// it stands in a text: that may be anybody's. What our side writes says only to whom.
    #[must_use]
    pub fn of_heard(channel: &str, heard: &Heard) -> Self {
        let Some(person) = &heard.buyer else {
            return Self::default();
        };
        if heard.outgoing {
            return Self {
                user: user(channel, person.external_id.as_deref()),
                ..Self::default()
            };
        }
        Self::of_buyer(channel, person, Recipient::default())
    }

    /// The identity that the document belongs to: the person in the channel where it is known, else
    /// the phone.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let user = self.user.clone().map(Identity::User);
        user.or_else(|| self.phone.clone().map(Identity::Phone))
    }

    /// The two identities that the document shows to be one person's: user and phone.
    #[must_use]
    pub fn binding(&self) -> Option<(Identity, Identity)> {
        let user = self.user.clone()?;
        let phone = self.phone.clone()?;
        Some((Identity::User(user), Identity::Phone(phone)))
    }
}

/// A phone that is whole. What a marketplace has hidden is nobody's.
fn whole(text: &str) -> Option<Phone> {
    if looks_masked(text) {
        return None;
    }
    match Phone::parse(text) {
        Parsed::Valid(phone) => Some(phone),
        Parsed::Masked | Parsed::Invalid => None,
    }
}

fn user(channel: &str, id: Option<&str>) -> Option<User> {
    let id = id?.trim();
    let usable = !id.is_empty()
        && id.len() <= MOST_ID_BYTES
        && !looks_masked(id)
        && !id.chars().any(char::is_control);
    usable.then(|| User {
        channel: channel.to_owned(),
        id: id.to_owned(),
    })
}

fn name(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    let usable = !text.is_empty() && !looks_masked(text);
    usable.then(|| text.chars().take(MOST_NAME_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buyer(id: Option<&str>, phone: Option<&str>) -> Buyer {
        Buyer {
            name: Some("Nguyễn Thị Lan".to_owned()),
            phone: phone.map(str::to_owned),
            email: Some("lan@example.vn".to_owned()),
            external_id: id.map(str::to_owned),
        }
    }

    fn recipient(phone: &str) -> Recipient<'_> {
        Recipient {
            name: Some("Trần Văn Bình"),
            phone: Some(phone),
        }
    }

    fn keys(evidence: &Evidence) -> Vec<String> {
        let user = evidence.user.clone().map(Identity::User);
        let phone = evidence.phone.clone().map(Identity::Phone);
        user.iter().chain(&phone).map(Identity::key).collect()
    }

    #[test]
    fn a_document_with_an_id_and_a_whole_phone_binds_both() {
        let both = Evidence::of_buyer(
            "web",
            &buyer(Some("77"), Some("0901 234 567")),
            Recipient::default(),
        );
        let (user, phone) = both.binding().unwrap();
        assert_eq!(user.key(), "user:web:77");
        assert_eq!(phone.key(), "phone:+84901234567");
        assert_eq!(both.identity(), Some(user));
        assert_eq!(both.name.as_deref(), Some("Nguyễn Thị Lan"));
    }

    #[test]
    fn a_masked_phone_is_nobody_s() {
        for hidden in [
            "******18",
            "(+84)90*****18",
            "09••••567",
            "0901xxx567",
            "84＊＊＊＊18",
        ] {
            let evidence = Evidence::of_buyer(
                "shopee-vn",
                &buyer(Some("77"), Some(hidden)),
                Recipient::default(),
            );
            assert_eq!(keys(&evidence), ["user:shopee-vn:77"], "{hidden}");
            let nobody = Evidence::of_buyer(
                "shopee-vn",
                &buyer(None, Some(hidden)),
                recipient("0901234567"),
            );
            assert_eq!(
                keys(&nobody),
                [""; 0],
                "{hidden}: there is a buyer, but whose?"
            );
        }
    }

    #[test]
    fn a_recipient_counts_only_where_nothing_is_said_of_the_buyer() {
        let gift = Evidence::of_buyer(
            "web",
            &buyer(None, Some("0901234567")),
            recipient("0987654321"),
        );
        assert_eq!(keys(&gift), ["phone:+84901234567"]);
        let known = Evidence::of_buyer("web", &buyer(Some("77"), None), recipient("0987654321"));
        assert_eq!(keys(&known), ["user:web:77"]);
        let alone = Evidence::of_buyer("hotline", &Buyer::default(), recipient("0987654321"));
        assert_eq!(keys(&alone), ["phone:+84987654321"]);
        assert_eq!(alone.name.as_deref(), Some("Trần Văn Bình"));
    }

    #[test]
    fn ids_that_name_nobody_are_left_out() {
        let long = "9".repeat(MOST_ID_BYTES + 1);
        for id in ["", "  ", "n***1", "a\nb", long.as_str()] {
            let evidence = Evidence::of_buyer("web", &buyer(Some(id), None), Recipient::default());
            assert_eq!(evidence.user, None, "{id}");
        }
        let hidden = Buyer {
            name: Some("N*** L**".to_owned()),
            ..Buyer::default()
        };
        let evidence = Evidence::of_buyer("web", &hidden, Recipient::default());
        assert_eq!(evidence, Evidence::default());
    }

    #[test]
    fn a_form_binds_and_a_phone_in_a_text_does_not() {
        let said = Heard {
            person: "2468".into(),
            account: "oa".into(),
            message_id: "m1".into(),
            kind: "message".into(),
            outgoing: false,
            text: Some("gọi cho mẹ em 0901234567".into()),
            buyer: Some(buyer(Some("2468"), None)),
            address: None,
            lines: vec![],
            at: jiff::Timestamp::UNIX_EPOCH,
            hints: vec![],
        };
        let text = Evidence::of_heard("zalo-oa", &said);
        assert_eq!(keys(&text), ["user:zalo-oa:2468"]);
        let form = Heard {
            kind: "form".into(),
            buyer: Some(buyer(Some("2468"), Some("84901234567"))),
            ..said
        };
        assert!(Evidence::of_heard("zalo-oa", &form).binding().is_some());
        let ours = Heard {
            outgoing: true,
            ..form
        };
        let evidence = Evidence::of_heard("zalo-oa", &ours);
        assert_eq!(keys(&evidence), ["user:zalo-oa:2468"]);
        assert_eq!(
            evidence.name, None,
            "what we write is not the person's word"
        );
    }

    #[test]
    fn a_stored_key_is_read_as_it_was_written() {
        let identities = [
            Identity::User(User {
                channel: "facebook-page".to_owned(),
                id: "a:b".to_owned(),
            }),
            Identity::Phone(whole("0901234567").unwrap()),
        ];
        for identity in identities {
            assert_eq!(Identity::from_key(&identity.key()), Some(identity));
        }
        for strange in ["", "phone:09••••567", "user:web", "mail:a@b.vn"] {
            assert_eq!(Identity::from_key(strange), None, "{strange}");
        }
    }
}
