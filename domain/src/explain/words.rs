//! The words of an explanation in both languages.

use crate::routing::{Method, Moment, Outcome, Reason};

/// A language of explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Tiếng Việt.
    Vietnamese,
}

/// Words of one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words(pub(super) Language);

impl Words {
    pub(super) fn pick<'a>(self, english: &'a str, vietnamese: &'a str) -> &'a str {
        match self.0 {
            Language::English => english,
            Language::Vietnamese => vietnamese,
        }
    }

    pub(super) fn outcome(self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Allocated { parcels, .. } => format!(
                "{} {parcels}",
                self.pick("allocated, parcels:", "đã phân kho, số kiện:")
            ),
            Outcome::Marketplace => self
                .pick(
                    "the marketplace sends it from its own warehouse",
                    "sàn tự giao từ kho của sàn",
                )
                .to_owned(),
            Outcome::Hold { reason } => format!(
                "{} {reason}",
                self.pick("held for a person:", "tạm giữ chờ người xử lý:")
            ),
            Outcome::Backorder { reason } => {
                format!("{} {reason}", self.pick("waits for stock:", "chờ hàng về:"))
            }
            Outcome::Cancel { reason } => format!(
                "{} {reason}",
                self.pick("cannot be done, cancelled:", "không thể thực hiện, hủy:")
            ),
        }
    }

    pub(super) fn leg(self, name: &str) -> &str {
        match name {
            "fulfillment" => self.pick("fulfillment order", "lệnh xuất kho"),
            "invoice" => self.pick("invoice", "hóa đơn"),
            "installation" => self.pick("installation", "lắp đặt"),
            "warranty" => self.pick("warranty", "bảo hành"),
            other => other,
        }
    }

    pub(super) fn moment(self, moment: Moment) -> &'static str {
        match moment {
            Moment::OnAllocation => self.pick("when allocated", "khi đã phân kho"),
            Moment::OnPayment => self.pick("when paid", "khi đã thanh toán"),
            Moment::OnPacking => self.pick("when packed", "khi đã đóng gói"),
            Moment::OnShipment => self.pick("when shipped", "khi đã xuất giao"),
            Moment::OnDelivery => self.pick("when delivered", "khi đã giao"),
            Moment::OnInstallation => self.pick("when installed", "khi đã lắp đặt"),
        }
    }

    pub(super) fn method(self, method: Method) -> &'static str {
        match method {
            Method::Single => self.pick("one location for everything", "một kho cho cả đơn"),
            Method::Exact => self.pick("every combination compared", "so mọi cách chia kho"),
            Method::Greedy => self.pick("largest cover first", "chọn kho đáp ứng nhiều nhất trước"),
            Method::Fixed => self.pick("the location was fixed", "kho đã được chỉ định"),
            Method::HubsOnly => self.pick("only Hubs left to ask", "chỉ còn xét các Hub"),
        }
    }

    pub(super) fn reason(self, reason: Reason) -> &'static str {
        match reason {
            Reason::Unknown => {
                self.pick("not in the locations file", "không có trong danh sách kho")
            }
            Reason::Inactive => self.pick("switched off", "đang tắt"),
            Reason::NotOnline => self.pick("does not sell online", "không bán trực tuyến"),
            Reason::RejectedBefore => self.pick("rejected this order before", "đã từ chối đơn này"),
            Reason::ChannelNotAllowed => {
                self.pick("does not work for this channel", "không phục vụ kênh này")
            }
            Reason::DoesNotServe => {
                self.pick("does not serve the destination", "không phục vụ nơi nhận")
            }
            Reason::TooFar => self.pick("too far, in metres", "quá xa, tính bằng mét"),
            Reason::NoService => self.pick("lacks a service", "thiếu dịch vụ yêu cầu"),
            Reason::NoTag => self.pick("lacks a tag", "thiếu nhãn yêu cầu"),
            Reason::Closed => self.pick("closed now", "đang đóng cửa"),
            Reason::NoCapacity => {
                self.pick("has had its orders for today", "đã hết công suất hôm nay")
            }
            Reason::PastCutOff => self.pick(
                "its cut-off comes too late",
                "quá giờ chốt đơn so với hạn giao",
            ),
            Reason::NoSku => self.pick("does not carry the article", "không có mặt hàng"),
            Reason::NotEnough => self.pick("too few pieces", "không đủ số lượng"),
        }
    }

    pub(super) fn hold(self, code: &str) -> &'static str {
        match code {
            "staff" => self.pick("staff stopped it", "nhân viên tạm giữ"),
            "totals" => self.pick(
                "the channel's total is not the sum of its parts",
                "tổng tiền của kênh không khớp các phần",
            ),
            "currency" => self.pick("not in đồng", "không phải tiền đồng"),
            "unknown-sku" => self.pick(
                "an article has no SKU of ours; map it",
                "mặt hàng chưa có mã của ta; hãy khai báo ánh xạ",
            ),
            "unknown-province" => self.pick(
                "the province of the destination is not certain",
                "chưa xác định được tỉnh của nơi nhận",
            ),
            "suspect-payment" => self.pick(
                "the provider suspects a payment",
                "cổng thanh toán nghi ngờ giao dịch",
            ),
            "over-payment" => self.pick("more was paid than owed", "khách trả thừa"),
            "under-payment" => self.pick("less was paid than owed", "khách trả thiếu"),
            "edited-differs" => self.pick(
                "the channel changed a field that staff had edited",
                "kênh đổi trường mà nhân viên đã sửa",
            ),
            "cancel-requested" => self.pick("the buyer asks to cancel", "khách yêu cầu hủy"),
            "no-location" => self.pick("too many locations rejected it", "quá nhiều kho từ chối"),
            "backorder" => self.pick("waits for stock", "chờ hàng về"),
            _ => self.pick("by a routing rule", "theo quy tắc định tuyến"),
        }
    }
}
