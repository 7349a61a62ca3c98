//! Template messages (ZNS, named "ZBS Template Message" since 2026): news about an order for the
//! phone of its buyer, whatever channel the order came from.
//!
//! A template is a text that Zalo has approved beforehand; we fill in its fields. The order's code
//! goes along as `tracking_id`, and comes back with reports of delivery and with ratings.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::phone::{Parsed, Phone};
use domain::task::{BuyerEvent, BuyerNotice, Given, Outcome};
use http::{Request, Response};
use jiff::civil::time;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Api, is_readable, judge};
use super::events::text;
use super::{Settings, Zalo};
use crate::channel::CallContext;
use crate::feedback::{Notices, Step, Try, Untold};
use crate::settings::SettingsError;
use crate::url::post_json;

/// Vietnam's time, all year.
const VIETNAM: Offset = Offset::constant(7);

/// One approved template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its id in Zalo's console.
    pub template_id: String,
    /// Name of the template's field → what we put there: `code`, `channel`, `name`, `total`, `cod`,
    /// `paid`, `refunded`, `items`, `date`; of parcels `carrier`, `tracking`, `location`; of a visit
    /// `window`; of a cancellation or a failed delivery `reason`.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// How a notice reaches its buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way<'a> {
    Phone(&'a str),
    User(&'a str),
}

/// Checks the templates of the settings.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    for (event, template) in &settings.templates {
        let at = |rest: &str| format!("templates.{event}{rest}");
        let Some(event) = BuyerEvent::of(event) else {
            let known = BuyerEvent::ALL.map(BuyerEvent::as_str).join(", ");
            return Err(SettingsError::new(at(""), format!("is not one of {known}")));
        };
        if template.template_id.is_empty() {
            return Err(SettingsError::new(at(".template_id"), "must not be empty"));
        }
        for (field, fact) in &template.fields {
            let known: Vec<&str> = event.facts().collect();
            if !known.contains(&fact.as_str()) {
                let message = format!("is not one of {}", known.join(", "));
                return Err(SettingsError::new(at(&format!(".fields.{field}")), message));
            }
        }
    }
    let hours = [settings.quiet_from_h, settings.quiet_to_h];
    if hours.iter().any(|hour| *hour > 23) {
        return Err(SettingsError::new(
            "quiet_from_h",
            "must be an hour, 0 to 23",
        ));
    }
    Ok(())
}

impl Notices for Zalo {
    fn events(&self) -> BTreeMap<BuyerEvent, BTreeSet<String>> {
        let templates = self.settings.templates.iter();
        templates
            .filter_map(|(event, template)| {
                let needed = template.fields.values().cloned().collect();
                Some((BuyerEvent::of(event)?, needed))
            })
            .collect()
    }

    fn not_before(&self, now: Timestamp) -> Timestamp {
        if self.is_night(now) {
            self.morning(now)
        } else {
            now
        }
    }

    /// To the phone, and where that has no Zalo to the person of the account. Zalo takes no
    /// idempotency key and cannot be asked whether a template went.
    fn request(
        &self,
        notice: &BuyerNotice,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, Untold> {
        if attempt.unknown {
            return Err(Untold {
                code: "maybe_told",
                reason: "the answer was lost: the buyer may have been told, and is not told twice"
                    .to_owned(),
            });
        }
        let template = self
            .settings
            .templates
            .get(notice.event.as_str())
            .ok_or_else(|| untold("event: no template is configured"))?;
        let mut data = serde_json::Map::new();
        for (field, fact) in &template.fields {
            let said = match fact.as_str() {
                "code" => Some(&notice.order_ref),
                fact => notice.facts.get(fact),
            };
            let said = said
                .map(|said| said.trim())
                .filter(|said| !said.is_empty())
                .ok_or_else(|| untold(&format!("facts.{fact}: missing")))?;
            data.insert(field.clone(), json!(said));
        }
        let mut body = json!({"template_id": template.template_id, "template_data": data});
        let way = ways(notice)
            .nth(attempt.got.len())
            .ok_or_else(|| untold("phone: neither a mobile number nor a person of the account"))?;
        let uri = match way {
            Way::Phone(phone) => {
                let Parsed::Valid(phone) = Phone::parse(phone) else {
                    return Err(untold("phone: not a whole number"));
                };
                body["phone"] = json!(phone.as_str().trim_start_matches('+'));
                body["tracking_id"] = json!(notice.order_ref);
                if let Some(mode) = &self.settings.template_mode {
                    body["mode"] = json!(mode);
                }
                self.settings.template_url.join("/message/template")
            }
            Way::User(user) => {
                body["user_id"] = json!(user);
                self.settings.base_url.join("/v3.0/oa/message/template")
            }
        };
        let uri = uri.ok_or_else(|| untold("template_url: too long"))?;
        self.authorized(post_json(uri, &body), call)
            .map_err(|error| untold(&error.what))
    }

    fn read(
        &self,
        notice: &BuyerNotice,
        attempt: Try<'_>,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Step {
        let until = |moment: Timestamp| {
            let wait = moment.duration_since(now).as_secs().max(1);
            u64::try_from(wait).ok()
        };
        if response.status().is_success() && !is_readable(response) {
            // Sent, perhaps: another try would be blind.
            return Step::Done(Outcome::Refused {
                code: "maybe_told".to_owned(),
                message: "Zalo's answer cannot be read".to_owned(),
            });
        }
        Step::Done(match judge(Api::Template, response) {
            Answer::Good(body) => Outcome::Accepted {
                given: Given {
                    partner_id: text(&body, "/data/msg_id"),
                    ..Given::default()
                },
            },
            Answer::TokenExpired => return Step::TokenExpired,
            Answer::Busy { after_s, reason } => Outcome::Retry { after_s, reason },
            Answer::Night { reason } => Outcome::Retry {
                after_s: until(self.morning(now)),
                reason,
            },
            Answer::Quota { reason } => Outcome::Retry {
                after_s: until(self.not_before(next_day(now))),
                reason,
            },
            Answer::Account { reason } => Outcome::Account { reason },
            // The phone has no Zalo, but the person is known to the account.
            Answer::Refused {
                code: "no_zalo", ..
            } if ways(notice).count() > attempt.got.len() + 1 => {
                return Step::Part(Bytes::from_static(b"no_zalo"));
            }
            Answer::Refused { code, reason } => Outcome::Refused {
                code: code.to_owned(),
                message: reason,
            },
        })
    }
}

impl Zalo {
    fn is_night(&self, now: Timestamp) -> bool {
        let (from, to) = (self.settings.quiet_from_h, self.settings.quiet_to_h);
        let hour = i64::from(VIETNAM.to_datetime(now).hour());
        let (from, to) = (i64::from(from), i64::from(to));
        if from <= to {
            (from..to).contains(&hour)
        } else {
            hour >= from || hour < to
        }
    }

    /// The next end of the night.
    fn morning(&self, now: Timestamp) -> Timestamp {
        let local = VIETNAM.to_datetime(now);
        // Hours are checked when the settings are read.
        let hour = i8::try_from(self.settings.quiet_to_h).unwrap_or(6);
        let today = local.date().to_datetime(time(hour, 0, 0, 0));
        let morning = if local < today {
            today
        } else {
            today
                .checked_add(SignedDuration::from_hours(24))
                .unwrap_or(today)
        };
        VIETNAM.to_timestamp(morning).unwrap_or(now)
    }
}

/// The ways that are open, the better first: only a phone's message carries the order's code back.
fn ways(notice: &BuyerNotice) -> impl Iterator<Item = Way<'_>> {
    let mobile = |text: &&str| match Phone::parse(text) {
        Parsed::Valid(phone) => phone.is_mobile(),
        Parsed::Masked | Parsed::Invalid => false,
    };
    let phone = notice.phone.as_deref().filter(mobile);
    let user = notice.user_id.as_deref().filter(|id| !id.is_empty());
    phone.map(Way::Phone).into_iter().chain(user.map(Way::User))
}

/// Quotas are by the day of Vietnam.
fn next_day(now: Timestamp) -> Timestamp {
    let midnight = VIETNAM
        .to_datetime(now)
        .date()
        .to_datetime(time(0, 0, 0, 0));
    midnight
        .checked_add(SignedDuration::from_hours(24))
        .ok()
        .and_then(|next| VIETNAM.to_timestamp(next).ok())
        .unwrap_or(now)
}

fn untold(what: &str) -> Untold {
    Untold {
        code: "cannot_be_told",
        reason: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::zalo::zalo_of;
    use http::Method;
    use secrecy::SecretString;
    use serde_json::Value;

    fn zalo(more: &Value) -> Zalo {
        let mut settings = json!({
            "app_id": "1", "oa_secret": {"$secret": ["a"]}, "app_secret": {"$secret": ["b"]},
            "templates": {"shipped": {
                "template_id": "7895417",
                "fields": {"order_code": "code", "customer_name": "name", "tracking": "tracking"},
            }},
        });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        zalo_of(&settings).unwrap()
    }

    fn shipped() -> BuyerNotice {
        BuyerNotice {
            event: BuyerEvent::Shipped,
            at: at("2026-01-01T02:00:00Z"),
            order_ref: "KE000001230".to_owned(),
            phone: Some("0901 234 567".to_owned()),
            user_id: None,
            facts: [("name", "Trần Thị Mẫu"), ("tracking", "SPX1")]
                .map(|(name, fact)| (name.to_owned(), fact.to_owned()))
                .into(),
        }
    }

    fn attempt(got: &[Bytes]) -> Try<'_> {
        Try {
            key: "k",
            got,
            unknown: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn asked(zalo: &Zalo, what: &BuyerNotice, got: &[Bytes]) -> Result<Request<Bytes>, String> {
        let token = SecretString::from("token-1");
        let call = CallContext {
            now: at("2026-01-01T03:00:00Z"),
            access_token: Some(&token),
        };
        zalo.request(what, attempt(got), call)
            .map_err(|untold| untold.reason)
    }

    fn read(what: &BuyerNotice, code: i64, now: &str) -> Step {
        let body = json!({"error": code, "message": "x"}).to_string();
        let response = Response::new(Bytes::from(body));
        zalo(&json!({})).read(what, attempt(&[]), &response, at(now))
    }

    fn waits(code: i64, now: &str) -> u64 {
        match read(&shipped(), code, now) {
            Step::Done(Outcome::Retry {
                after_s: Some(after_s),
                ..
            }) => after_s,
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn a_template_goes_to_the_phone_with_the_orders_code() {
        let request = asked(&zalo(&json!({})), &shipped(), &[]).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(
            request.uri(),
            "https://business.openapi.zalo.me/message/template"
        );
        assert_eq!(request.headers()["access_token"], "token-1");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body,
            json!({
                "phone": "84901234567", "template_id": "7895417", "tracking_id": "KE000001230",
                "template_data": {
                    "order_code": "KE000001230", "customer_name": "Trần Thị Mẫu", "tracking": "SPX1",
                },
            })
        );
        let trial = zalo(&json!({"template_mode": "development", "appsecret_proof": true}));
        let request = asked(&trial, &shipped(), &[]).unwrap();
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["mode"], "development");
        assert_eq!(request.headers()["appsecret_proof"].len(), 64);
    }

    #[test]
    fn a_person_of_the_account_is_told_where_the_phone_has_no_zalo() {
        let mut both = shipped();
        both.user_id = Some("7000000000000000022".to_owned());
        assert_eq!(
            read(&both, -118, "2026-01-01T03:00:00Z"),
            Step::Part(Bytes::from_static(b"no_zalo"))
        );
        let got = [Bytes::from_static(b"no_zalo")];
        let request = asked(&zalo(&json!({})), &both, &got).unwrap();
        assert_eq!(
            request.uri(),
            "https://openapi.zalo.me/v3.0/oa/message/template"
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["user_id"], "7000000000000000022");
        assert!(body.get("phone").is_none());
        // A landline gets no Zalo at all.
        both.phone = Some("02871234567".to_owned());
        let request = asked(&zalo(&json!({})), &both, &[]).unwrap();
        assert_eq!(request.uri().path(), "/v3.0/oa/message/template");
    }

    #[test]
    fn what_cannot_be_said_is_named_and_not_sent() {
        let zalo = zalo(&json!({}));
        let mut nobody = shipped();
        nobody.phone = Some("02871234567".to_owned());
        assert!(
            asked(&zalo, &nobody, &[])
                .unwrap_err()
                .starts_with("phone:")
        );
        let mut silent = shipped();
        silent.facts.remove("tracking");
        assert_eq!(
            asked(&zalo, &silent, &[]).unwrap_err(),
            "facts.tracking: missing"
        );
        let mut other = shipped();
        other.event = BuyerEvent::Delivered;
        assert!(asked(&zalo, &other, &[]).unwrap_err().starts_with("event:"));
    }

    #[test]
    fn nobody_is_told_twice_after_a_lost_answer() {
        let call = CallContext {
            now: at("2026-01-01T03:00:00Z"),
            access_token: None,
        };
        let lost = Try {
            unknown: true,
            ..attempt(&[])
        };
        let untold = zalo(&json!({}))
            .request(&shipped(), lost, call)
            .unwrap_err();
        assert_eq!(untold.code, "maybe_told");
    }

    #[test]
    fn the_night_ends_at_six_and_the_quota_at_midnight_in_vietnam() {
        // 23:00, 03:00 and 12:00 in Vietnam.
        assert_eq!(waits(-133, "2026-01-01T16:00:00Z"), 7 * 3600);
        assert_eq!(waits(-133, "2026-01-01T20:00:00Z"), 3 * 3600);
        assert_eq!(waits(-133, "2026-01-01T05:00:00Z"), 18 * 3600);
        // The quota is new at 00:00, and at night nothing is sent.
        for code in [-115, -144, -147] {
            assert_eq!(waits(code, "2026-01-01T05:00:00Z"), 18 * 3600);
        }
        let zalo = zalo(&json!({}));
        let held = |now| zalo.not_before(at(now)).to_string();
        assert_eq!(held("2026-01-01T15:00:00Z"), "2026-01-01T23:00:00Z");
        assert_eq!(held("2026-01-01T14:59:59Z"), "2026-01-01T14:59:59Z");
        assert_eq!(held("2026-01-01T23:00:00Z"), "2026-01-01T23:00:00Z");
    }

    #[test]
    fn errors_of_templates_are_sorted_by_their_own_table() {
        let refused = |code| match read(&shipped(), code, "2026-01-01T03:00:00Z") {
            Step::Done(Outcome::Refused { code, .. }) => code,
            step => panic!("{step:?}"),
        };
        for (code, word) in [
            (-118, "no_zalo"),
            (-119, "no_zalo"),
            (-110, "old_zalo"),
            (-108, "bad_phone"),
            (-112, "template"),
            (-117, "template"),
            (-131, "template"),
            (-114, "refuses"),
            (-141, "refuses"),
            (-249, "phone_only"),
            (-201, "bad_parameter"),
            (-987, "refused"),
        ] {
            assert_eq!(refused(code), word, "{code}");
        }
        let step = |code| read(&shipped(), code, "2026-01-01T03:00:00Z");
        assert_eq!(step(-124), Step::TokenExpired);
        assert!(matches!(step(-32), Step::Done(Outcome::Retry { .. })));
        assert!(matches!(step(-138), Step::Done(Outcome::Account { .. })));
        let sent = json!({"error": 0, "data": {"msg_id": "m1", "sent_time": "1"}}).to_string();
        let response = Response::new(Bytes::from(sent));
        let done = zalo(&json!({})).read(
            &shipped(),
            attempt(&[]),
            &response,
            at("2026-01-01T03:00:00Z"),
        );
        let Step::Done(Outcome::Accepted { given }) = done else {
            panic!("{done:?}");
        };
        assert_eq!(given.partner_id.as_deref(), Some("m1"));
    }

    #[test]
    fn a_template_for_what_never_happens_or_with_what_nobody_knows_is_refused() {
        for (templates, path) in [
            (json!({"packed": {"template_id": "1"}}), "templates.packed"),
            (
                json!({"shipped": {"template_id": ""}}),
                "templates.shipped.template_id",
            ),
            (
                json!({"shipped": {"template_id": "1", "fields": {"a": "weather"}}}),
                "templates.shipped.fields.a",
            ),
            (
                json!({"shipped": {"template_id": "1", "fields": {"a": "window"}}}),
                "templates.shipped.fields.a",
            ),
            (
                json!({"draft_confirmed": {"template_id": "1"}}),
                "templates.draft_confirmed",
            ),
        ] {
            let settings = json!({
                "app_id": "1", "oa_secret": {"$secret": ["a"]},
                "app_secret": {"$secret": ["b"]}, "templates": templates,
            });
            assert_eq!(zalo_of(&settings).unwrap_err().path, path);
        }
    }
}
