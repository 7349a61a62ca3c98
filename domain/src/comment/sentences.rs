//! Reasons, intents and phones in sentences, Vietnamese and English.

use super::reason::{Reason, Says};
use super::{Intent, PhoneKind};
use crate::explain::Language;

impl Reason {
    /// The sentence for staff.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::Vietnamese => self.vietnamese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::ByThePage => "the page itself wrote it".into(),
            Self::Wants { intent } => format!("understood as: {}", intent.english()),
            Self::Line {
                product,
                quantity,
                variant,
                written,
            } => {
                let variant = variant.as_deref().map(|it| format!(" ({it})"));
                let how = match written {
                    Some(written) => format!("written '{written}'"),
                    None => "no quantity written, so one".into(),
                };
                format!(
                    "{product} × {quantity}{}: {how}",
                    variant.unwrap_or_default()
                )
            }
            Self::PhoneGiven { phone, kind } => format!("phone {phone}: {}", kind.english()),
            Self::PhoneOnFile => "the phone on file is used".into(),
            Self::PhoneHidden => "the phone is hidden, or was given elsewhere".into(),
            Self::PhoneIncomplete => "the phone lacks digits".into(),
            Self::Duplicate => "the same person wrote the same before in this live".into(),
            Self::UnknownWords { count } => format!("words that are not understood: {count}"),
            Self::NothingOrders => "only a code, and no word that orders it".into(),
            Self::SpeaksOfChat => "the buyer speaks of the chat".into(),
            Self::TooLong => "the comment is too long to be read to its end".into(),
            Self::UnexplainedNumber { number } => format!("the number '{number}' is unexplained"),
            Self::UnreadableNumber => "a number in unusual digits is unexplained".into(),
            Self::UnknownCode { written, nearest } => match nearest {
                Some(nearest) => {
                    format!(
                        "'{written}' looks like a code and is not in the list; meant {nearest}?"
                    )
                }
                None => format!("'{written}' looks like a code and is not in the list"),
            },
            Self::UnclearCode { product } => format!("it is not certain that {product} is meant"),
            Self::CodeInAddress { product } => {
                format!("{product} stands where an address has a building or a flat")
            }
            Self::CodeRepeated { product } => format!("{product} is written more than once"),
            Self::CodesAlternative => "the codes may be alternatives".into(),
            Self::PinnedTaken { product } => {
                format!("no code written; the pinned product {product} was taken")
            }
            Self::BareQuantity { product, quantity } => {
                format!("'{quantity}' beside {product} is probably the quantity")
            }
            Self::QuantityOutOfRange {
                product,
                quantity,
                limit,
            } => format!("{quantity} of {product}: expected 1 to {limit}"),
            Self::QuantityTwice { product } => format!("several quantities for {product}"),
            Self::QuantityUnclear => "it is not certain what a quantity counts".into(),
            Self::VariantTwice { product } => format!("several variants for {product}"),
            Self::VariantUnknown { product, written } => {
                format!("'{written}' is not one variant of {product}")
            }
            Self::VariantMissing { product } => format!("no variant of {product} was chosen"),
            Self::VariantUnclear => "it is not certain what a variant belongs to".into(),
            Self::MeasureDiffers { product, written } => {
                format!("'{written}' contradicts the name of {product}")
            }
            Self::OtherProduct => "another product than that of the code is named".into(),
            Self::SeveralPhones => "more than one phone number".into(),
            Self::PhoneUnclear => "digits that may be a phone or something else".into(),
            Self::Word { word, says } => format!("'{word}': {}", says.english()),
            Self::QuestionMark => "there is a question mark".into(),
            Self::OrderedBefore { product } => {
                format!("the same person ordered {product} before in this live")
            }
        }
    }

    fn vietnamese(&self) -> String {
        match self {
            Self::ByThePage => "bình luận của chính trang".into(),
            Self::Wants { intent } => format!("hiểu là: {}", intent.vietnamese()),
            Self::Line {
                product,
                quantity,
                variant,
                written,
            } => {
                let variant = variant.as_deref().map(|it| format!(" ({it})"));
                let how = match written {
                    Some(written) => format!("viết '{written}'"),
                    None => "không ghi số lượng nên tính một".into(),
                };
                format!(
                    "{product} × {quantity}{}: {how}",
                    variant.unwrap_or_default()
                )
            }
            Self::PhoneGiven { phone, kind } => {
                format!("số điện thoại {phone}: {}", kind.vietnamese())
            }
            Self::PhoneOnFile => "dùng số điện thoại đã lưu".into(),
            Self::PhoneHidden => "số điện thoại bị che hoặc đã gửi ở nơi khác".into(),
            Self::PhoneIncomplete => "số điện thoại thiếu chữ số".into(),
            Self::Duplicate => "người này đã viết y như vậy trong buổi live".into(),
            Self::UnknownWords { count } => format!("số từ chưa hiểu: {count}"),
            Self::NothingOrders => "chỉ có mã, không có từ đặt mua".into(),
            Self::SpeaksOfChat => "khách nhắc đến tin nhắn riêng".into(),
            Self::TooLong => "bình luận quá dài, không đọc hết".into(),
            Self::UnexplainedNumber { number } => format!("còn số '{number}' không rõ nghĩa"),
            Self::UnreadableNumber => "còn một số viết bằng ký tự lạ không rõ nghĩa".into(),
            Self::UnknownCode { written, nearest } => match nearest {
                Some(nearest) => {
                    format!(
                        "'{written}' giống mã hàng nhưng không có trong danh sách; ý là {nearest}?"
                    )
                }
                None => format!("'{written}' giống mã hàng nhưng không có trong danh sách"),
            },
            Self::UnclearCode { product } => format!("chưa chắc ý khách là mã {product}"),
            Self::CodeInAddress { product } => {
                format!("{product} đứng ở chỗ số tòa nhà hoặc căn hộ trong địa chỉ")
            }
            Self::CodeRepeated { product } => format!("mã {product} được viết nhiều lần"),
            Self::CodesAlternative => "các mã có thể là để chọn một".into(),
            Self::PinnedTaken { product } => {
                format!("không ghi mã, lấy sản phẩm đang ghim {product}")
            }
            Self::BareQuantity { product, quantity } => {
                format!("'{quantity}' cạnh {product} có lẽ là số lượng")
            }
            Self::QuantityOutOfRange {
                product,
                quantity,
                limit,
            } => format!("{quantity} cái {product}: chỉ nhận từ 1 đến {limit}"),
            Self::QuantityTwice { product } => format!("nhiều số lượng cho {product}"),
            Self::QuantityUnclear => "chưa rõ số lượng là của món nào".into(),
            Self::VariantTwice { product } => format!("nhiều phân loại cho {product}"),
            Self::VariantUnknown { product, written } => {
                format!("'{written}' không khớp đúng một phân loại của {product}")
            }
            Self::VariantMissing { product } => format!("chưa chọn phân loại của {product}"),
            Self::VariantUnclear => "chưa rõ phân loại là của món nào".into(),
            Self::MeasureDiffers { product, written } => {
                format!("'{written}' không khớp tên của {product}")
            }
            Self::OtherProduct => "có nhắc sản phẩm khác với mã".into(),
            Self::SeveralPhones => "có nhiều số điện thoại".into(),
            Self::PhoneUnclear => "dãy số có thể là số điện thoại hoặc thứ khác".into(),
            Self::Word { word, says } => format!("'{word}': {}", says.vietnamese()),
            Self::QuestionMark => "có dấu hỏi".into(),
            Self::OrderedBefore { product } => {
                format!("người này đã đặt {product} trong buổi live")
            }
        }
    }
}

impl Says {
    fn english(self) -> &'static str {
        match self {
            Self::Asks => "asks something",
            Self::Denies => "denies or asks",
            Self::Past => "speaks of the past",
            Self::OnlyIf => "sets a condition",
            Self::Either => "leaves a choice",
            Self::More => "adds to something",
            Self::Later => "not now, or not certain",
            Self::Otherwise => "changes what is wanted",
            Self::Game => "belongs to a game",
            Self::Watches => "looks on or calls somebody",
            Self::Pays => "speaks of a payment",
        }
    }

    fn vietnamese(self) -> &'static str {
        match self {
            Self::Asks => "có ý hỏi",
            Self::Denies => "phủ định hoặc hỏi",
            Self::Past => "nói chuyện đã qua",
            Self::OnlyIf => "có điều kiện",
            Self::Either => "còn lựa chọn",
            Self::More => "thêm vào thứ gì đó",
            Self::Later => "chưa phải bây giờ hoặc chưa chắc",
            Self::Otherwise => "làm thay đổi ý muốn mua",
            Self::Game => "thuộc trò chơi",
            Self::Watches => "xem hoặc gọi bạn vào",
            Self::Pays => "nói về thanh toán",
        }
    }
}

impl Intent {
    fn english(self) -> &'static str {
        match self {
            Self::Ignored => "nothing to read",
            Self::Spam => "an advertisement",
            Self::Complaint => "a complaint",
            Self::Change => "a change of an order",
            Self::Cancel => "a cancellation",
            Self::PaymentClaim => "says that money was sent",
            Self::OrderStatus => "asks after an order",
            Self::NegatedOrder => "does not order yet",
            Self::Question => "a question",
            Self::Order => "an order",
            Self::Contact => "a phone number",
            Self::Chatter => "talk",
        }
    }

    fn vietnamese(self) -> &'static str {
        match self {
            Self::Ignored => "không cần đọc",
            Self::Spam => "quảng cáo",
            Self::Complaint => "khiếu nại",
            Self::Change => "đổi đơn",
            Self::Cancel => "hủy đơn",
            Self::PaymentClaim => "báo đã chuyển tiền",
            Self::OrderStatus => "hỏi tình trạng đơn",
            Self::NegatedOrder => "chưa đặt",
            Self::Question => "hỏi",
            Self::Order => "đặt hàng",
            Self::Contact => "để lại số điện thoại",
            Self::Chatter => "trò chuyện",
        }
    }
}

impl PhoneKind {
    fn english(self) -> &'static str {
        match self {
            Self::Mobile => "a mobile number",
            Self::Rebuilt => "written without its 0",
            Self::OldPrefix => "a number of before 2018",
            Self::Landline => "a landline, which gets no message",
            Self::Foreign => "a number of another country",
        }
    }

    fn vietnamese(self) -> &'static str {
        match self {
            Self::Mobile => "số di động",
            Self::Rebuilt => "viết thiếu số 0 đầu",
            Self::OldPrefix => "đầu số cũ trước 2018",
            Self::Landline => "số bàn, không nhận được tin nhắn",
            Self::Foreign => "số nước ngoài",
        }
    }
}
