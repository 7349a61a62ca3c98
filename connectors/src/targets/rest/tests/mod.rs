//! Calls, answers, callbacks and schemas of the open contract.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::snapshot::Appointment;
use domain::task::{
    Contact, FulfillmentTaskLine, InvoiceBody, InvoiceBuyer, InvoiceLine, StockLine, TaskAddress,
    WorkItem,
};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use schemars::Schema;
use serde_json::{Value, json};

use super::*;
use crate::inbound::{NoticeBody, Source};
use crate::settings::Secrets;
use crate::targets::{TARGETS, find};

mod answers;
mod callbacks;
mod calls;
mod schemas;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rest");
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contract");
const KEY: &str = "KN123456785.reservation.res_1.0";

fn settings(kind: &str) -> TargetSettings {
    TargetSettings {
        id: "hub-wms".to_owned(),
        kind: kind.to_owned(),
        url: "https://wms.example.vn/kenh/".to_owned(),
        secrets: Secrets::one(SECRET).unwrap(),
    }
}

fn target(kind: &str) -> Box<dyn Target> {
    (find("rest").unwrap().build)(&settings(kind)).unwrap()
}

fn target_of(body: &TaskBody) -> Box<dyn Target> {
    target(request::kind(body).expect("a task for targets").as_str())
}

fn now() -> Timestamp {
    "2026-11-24T01:02:03Z".parse().unwrap()
}

fn call() -> CallContext<'static> {
    CallContext {
        now: now(),
        access_token: None,
    }
}

fn address() -> TaskAddress {
    TaskAddress {
        name: Some("Trần Thị Mẫu".to_owned()),
        phone: Some("+84901234567".to_owned()),
        text: "12 Nguyễn Trãi, P. Bến Thành, TP.HCM".to_owned(),
        ward: Some("Bến Thành".to_owned()),
        district: None,
        province: Some("Hồ Chí Minh".to_owned()),
        province_code: Some("79".to_owned()),
        code_system: Some("VN-2025-07".to_owned()),
    }
}

fn contact() -> Contact {
    Contact {
        name: Some("Trần Thị Mẫu".to_owned()),
        phone: Some("+84901234567".to_owned()),
    }
}

fn billed(sign: i64) -> InvoiceLine {
    InvoiceLine {
        line_id: "1".to_owned(),
        sku: "AC-9000".to_owned(),
        name: "Máy lạnh 9000 BTU".to_owned(),
        unit: "cái".to_owned(),
        quantity: 1,
        amount: 12_990_000 * sign,
        tax_class: "standard".to_owned(),
        tax_rate: 8,
        tax_amount: 962_222 * sign,
    }
}

/// One task of every kind.
fn tasks() -> Vec<TaskBody> {
    vec![
        TaskBody::Reserve {
            reservation_id: "res_1".to_owned(),
            order_ref: "KN123456785".to_owned(),
            location: "hub-hcm".to_owned(),
            lines: vec![StockLine {
                line_id: "1".to_owned(),
                sku: "AC-9000".to_owned(),
                quantity: 1,
            }],
            expires_at: "2026-11-24T03:00:00Z".parse().unwrap(),
        },
        TaskBody::ReleaseReservation {
            reservation_id: "res_1".to_owned(),
        },
        TaskBody::CreateFulfillment {
            fulfillment_order_id: "ful_1".to_owned(),
            reservation_id: "res_1".to_owned(),
            order_ref: "KN123456785".to_owned(),
            channel: "shopee-vn".to_owned(),
            external_id: "2411240ABCDEF".to_owned(),
            location: "hub-hcm".to_owned(),
            lines: vec![FulfillmentTaskLine {
                line_id: "1".to_owned(),
                sku: "AC-9000".to_owned(),
                name: "Máy lạnh 9000 BTU".to_owned(),
                quantity: 1,
                components: Vec::new(),
            }],
            ship_to: address(),
            cod: 12_990_000,
            note: Some("giao giờ hành chính".to_owned()),
            deadline: None,
        },
        TaskBody::CancelFulfillment {
            fulfillment_order_id: "ful_1".to_owned(),
        },
        TaskBody::IssueInvoice(InvoiceBody {
            invoice_request_id: "inv_1".to_owned(),
            series: "1C26TKH".to_owned(),
            order_ref: "KN123456785".to_owned(),
            channel: "shopee-vn".to_owned(),
            external_id: "2411240ABCDEF".to_owned(),
            legal_day: "2026-11-24".to_owned(),
            currency: "VND".to_owned(),
            buyer: InvoiceBuyer {
                name: "Người mua không lấy hóa đơn".to_owned(),
                ..InvoiceBuyer::default()
            },
            lines: vec![billed(1)],
            discount: 0,
            shipping: 0,
            total: 12_990_000,
            tax_total: 962_222,
            payment_method: "cod".to_owned(),
        }),
        TaskBody::AdjustInvoice {
            invoice_request_id: "inv_1".to_owned(),
            adjustment_id: "inv_2".to_owned(),
            order_ref: "KN123456785".to_owned(),
            reason: "goods returned".to_owned(),
            lines: vec![billed(-1)],
            total: -12_990_000,
            tax_total: -962_222,
        },
        TaskBody::CreateWorkOrder {
            external_id: "svc_1".to_owned(),
            kind: "install".to_owned(),
            order_ref: "KN123456785".to_owned(),
            customer: contact(),
            site: address(),
            items: vec![WorkItem {
                line_id: "1".to_owned(),
                sku: "AC-9000".to_owned(),
                name: "Máy lạnh 9000 BTU".to_owned(),
                quantity: 1,
                serials: vec![],
            }],
            appointment: Some(Appointment {
                window_start: "2026-11-25T01:00:00Z".parse().unwrap(),
                window_end: "2026-11-25T03:00:00Z".parse().unwrap(),
            }),
        },
        TaskBody::ReleaseWorkOrder {
            external_id: "svc_1".to_owned(),
            delivered_at: "2026-11-24T09:00:00Z".parse().unwrap(),
        },
        TaskBody::RescheduleWorkOrder {
            external_id: "svc_1".to_owned(),
            window_start: "2026-11-26T01:00:00Z".parse().unwrap(),
            window_end: "2026-11-26T03:00:00Z".parse().unwrap(),
        },
        TaskBody::CancelWorkOrder {
            external_id: "svc_1".to_owned(),
            reason: "order cancelled".to_owned(),
        },
        TaskBody::ActivateWarranty {
            warranty_id: "war_1".to_owned(),
            order_ref: "KN123456785".to_owned(),
            sku: "AC-9000".to_owned(),
            name: "Máy lạnh 9000 BTU".to_owned(),
            serial: Some("SN-0001".to_owned()),
            quantity: 1,
            customer: contact(),
            starts_on: "2026-11-24".to_owned(),
            proof: "delivery".to_owned(),
        },
    ]
}

fn task(op: &str) -> TaskBody {
    tasks().into_iter().find(|task| task.op() == op).unwrap()
}

fn fixtures() -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(FIXTURES)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".json")?
                .to_owned();
            Some((name, std::fs::read(path).unwrap()))
        })
        .collect()
}

fn owner(topic: &str) -> &'static str {
    match topic.split('.').next() {
        Some("invoice") => "invoicing",
        Some("service") => "service_center",
        _ => "inventory",
    }
}

fn message(body: &[u8]) -> VerifiedWebhook {
    VerifiedWebhook::from_inbox(
        Source::Push,
        Some("msg_1".to_owned()),
        String::new(),
        Bytes::copy_from_slice(body),
    )
}
