//! The words of comments and what they mean for an order.
//!
//! Only what stands here, or is explained by its place (a name beside a phone, a street in an
//! address), may be part of a draft order. A word that changes what is wanted belongs to one of the
//! doubts; a word that is missing here costs a question to staff and nothing else.

use super::reason::Says;

/// What a phrase means for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// Orders: `chốt`, `lấy`.
    Order,
    /// `cho`, which orders when a quantity or a code follows.
    Give,
    /// The writer or somebody near.
    Person,
    /// The seller.
    Shop,
    /// Polite and empty words, and how to deliver.
    Filler,
    /// `đẹp`, `mê`: goes with an order, and makes none.
    Praise,
    /// `hóng`, `chấm`, `xem`: makes no order.
    Watch,
    /// A phone follows.
    PhoneWord,
    /// The chat beside the comments.
    Inbox,
    /// `số cũ`: the same phone or address as before.
    OldNumber,
    /// A name follows.
    NameWord,
    /// An address follows.
    AddressWord,
    /// A part of an address.
    PlaceWord,
    /// A province or a city.
    Place,
    /// A code follows.
    CodeWord,
    /// A quantity follows.
    AmountWord,
    /// What is counted.
    Unit,
    /// `mỗi`.
    Each,
    /// `và`, `với`.
    Connect,
    /// A colour follows.
    ColourWord,
    /// A size follows.
    SizeWord,
    /// Something that is sold; a doubt where it is not the product of the code.
    Goods,
    /// Asks.
    Ask,
    /// `à`, `có`, `được`: half of a question.
    HalfAsk,
    /// `còn`: is there any left.
    Still,
    /// `không`, `ko`, `k`.
    No,
    /// `chưa`.
    NotYet,
    /// `rồi`, `đã`.
    Done,
    /// `nếu`.
    Condition,
    /// `hay`, `hoặc`.
    Choice,
    /// `thêm`, `nữa`.
    More,
    /// `để`, `mai`, `đợi`.
    Later,
    /// `hôm qua`, `lần trước`.
    Past,
    /// `nhầm`, `bớt`, `trừ`, `thôi`, `chỉ`.
    Otherwise,
    /// A game or a lottery of the live.
    Game,
    /// `đừng`, `khoan`.
    Hold,
    /// Changes an order.
    Change,
    /// Cancels an order.
    Cancel,
    /// Pays.
    Pay,
    /// Complains.
    Complaint,
    /// Asks after an order.
    OrderStatus,
    /// Advertises, or wants money.
    Spam,
    /// Words of a rival: `bên em`.
    Rival,
    /// What a rival says: `bán`, `rẻ hơn`.
    RivalOffer,
    /// Whom a rival calls: `mọi người`.
    Crowd,
}

/// What a word does to an order when nothing else explained it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It leaves the order as it is.
    Fits,
    /// It changes what is wanted, or may.
    Changes(Says),
    /// It speaks of the chat.
    Chat,
    /// It names a product.
    Goods,
    /// It says something, and it is not clear of what.
    Unclear,
}

impl Meaning {
    /// What the word does to an order.
    pub(super) fn effect(self) -> Effect {
        match self {
            Self::Order
            | Self::Give
            | Self::Person
            | Self::Shop
            | Self::Filler
            | Self::Praise
            | Self::PhoneWord
            | Self::OldNumber
            | Self::NameWord
            | Self::AddressWord
            | Self::PlaceWord
            | Self::Place
            | Self::CodeWord
            | Self::Unit
            | Self::Connect
            | Self::ColourWord => Effect::Fits,
            // One that was understood is marked by then.
            Self::AmountWord | Self::Each | Self::SizeWord => Effect::Unclear,
            Self::Inbox => Effect::Chat,
            Self::Goods => Effect::Goods,
            Self::Ask | Self::HalfAsk | Self::Still => Effect::Changes(Says::Asks),
            Self::No | Self::NotYet | Self::Hold | Self::Cancel => Effect::Changes(Says::Denies),
            Self::Done | Self::Past | Self::OrderStatus => Effect::Changes(Says::Past),
            Self::Condition => Effect::Changes(Says::OnlyIf),
            Self::Choice => Effect::Changes(Says::Either),
            Self::More => Effect::Changes(Says::More),
            Self::Later => Effect::Changes(Says::Later),
            Self::Watch | Self::Crowd => Effect::Changes(Says::Watches),
            Self::Game => Effect::Changes(Says::Game),
            Self::Pay => Effect::Changes(Says::Pays),
            Self::Otherwise
            | Self::Change
            | Self::Complaint
            | Self::Spam
            | Self::Rival
            | Self::RivalOffer => Effect::Changes(Says::Otherwise),
        }
    }
}

/// Phrases by meaning, parted by `|`. Words are in small letters; a phrase with marks is also found
/// without any, unless an entry without marks says what that means.
pub(super) const PHRASES: &[(Meaning, &str)] = &[
    (
        Meaning::Order,
        "chốt|chốt đơn|chốt mã|chốt hàng|chốt luôn|chốt liền|chót|chôt|lấy|lấy mã|lấy hàng|đặt|đặt hàng\
         |đặt mua|đặt đơn|đặt mã|mua|mua hàng|mua mã|order|oder|orde|odr|ord|múc|hốt|rinh|xúc|quất|húp|lụm\
         |lên đơn|lên đơn hàng|làm đơn|ghi đơn|tạo đơn|đăng ký|đăng ký mua",
    ),
    (Meaning::Give, "cho"),
    (
        Meaning::Person,
        "em|e|anh|a|chị|c|mình|mk|mik|mjk|mìn|tôi|tui|t|tớ|mẹ|má|bố|ba mẹ|bố mẹ|mẹ em|vợ|chồng|vk|bà|ông\
         |cô|chú|bác|dì|cậu|mợ|con gái|con trai|bé|bạn|cháu|sếp|bà xã|ông xã|bx|ox|người nhà|nhà em|nhà mình\
         |gia đình|chế|cj|chj|tụi em|bọn em",
    ),
    (
        Meaning::Shop,
        "shop|sốp|sop|sót|ad|admin|ad min|page|chủ shop|nhà shop|shop ơi|ad ơi|sốp ơi|em ơi|chị ơi|anh ơi|bạn ơi|cô ơi|bác ơi",
    ),
    (
        Meaning::Filler,
        "ạ|ạh|ah|á|ạk|ak|nha|nhá|nhé|nhe|nhen|nghen|nghe|nhak|nka|nhoa|nhà|nha shop|nè|nì|nà|ne|đi|đê|giúp|giùm|dùm|hộ|ơi\
         |ui|êi|ei|dạ|da|vâng|ừ|ừm|uh|uk|ok|oke|okie|oki|okla|okela|okê|okay|okey|yes|luôn|ngay|liền|gấp|nhanh|nhanh nha|sớm|lẹ\
         |này|nầy|nay|ni|đó|đấy|đây|là|của|cũng|muốn|cần|thanks|thank|thanks shop|tks|thank you|cảm ơn|cám ơn|cam on|yêu|iu|thương|cưng\
         |hi|hello|helo|chào|xin chào|alo|hihi|hehe|hí hí|đơn|hàng|món|loại|mặt hàng|hôm nay|bây giờ|giúp em|cho em với|với ạ|với nha\
         |với nhé|chính hãng|full box|nguyên seal|tất cả|tổng cộng|tổng|ưu đãi|sale|deal|giá sale|giá live|giá trên live|live|trên live",
    ),
    // Where marks are missing, the everyday reading only if no other one changes an order.
    (
        Meaning::Filler,
        "di|la|ho|giup|gium|dum|oi|nhe|day|ngay|lien|muon|hang|don|loai|vang a|vang",
    ),
    (
        Meaning::Person,
        "ba me|bo me|me|me em|ong|co chu|chu|bac|chi|minh|vo|chong|cau",
    ),
    (
        Meaning::Filler,
        "ship|ship cod|cod|giao|giao hàng|giao nhanh|ship nhanh|ship gấp|gửi|gửi hàng|giao tận nơi|ship tận nơi|tận nơi|freeship|free ship\
         |fs|miễn phí ship|miễn ship|nhận|nhận hàng|khi nhận hàng|tiền mặt|thanh toán khi nhận hàng|trả tiền khi nhận hàng\
         |nhận hàng trả tiền|gọi|gọi trước|gọi em|gọi lại|alo trước|trước khi giao|gọi trước khi giao|giờ hành chính\
         |trong giờ hành chính|ngoài giờ|buổi sáng|buổi trưa|buổi chiều|buổi tối|sáng|trưa|chiều|tối|chiều nay|tối nay|sáng nay\
         |giao sáng mai|giao chiều mai|giao tối mai|mai giao|giao mai|ngày mai giao|sáng mai giao|chiều mai giao|giao ngày mai|cuối tuần\
         |chủ nhật|trong ngày|đến|tới|tại|ở|về|lên|qua|ship về|giao về|gửi về|ship tới|giao tới|giao đến|ship đến|ship qua|giao qua|giao ở\
         |ship ở|ship cho|giao cho|gửi cho|ghtk|ghn|đóng gói|đóng gói kỹ|gói kỹ|che tên|viettel post",
    ),
    (Meaning::Filler, "toi|tai|o|ve|len|gui|goi|sang"),
    (Meaning::Connect, "cung"),
    (Meaning::Later, "dinh"),
    (Meaning::Watch, "ghe"),
    (Meaning::PlaceWord, "ngo"),
    (Meaning::Inbox, "nhan"),
    (Meaning::Game, "thuong"),
    (
        Meaning::Praise,
        "đẹp|đẹp quá|đẹp ghê|xinh|xinh quá|xịn|xịn xò|xịn quá|quá|ghê|mê|mê quá|thích|thích quá|ưng|ưng quá|tuyệt|tuyệt vời|cute|đỉnh|ngon\
         |rẻ|rẻ quá|tốt|tốt quá|xuất sắc|hấp dẫn|lắm|vip|nét|hot|haha|hihi haha|kkk|kk|wow|ôi|trời|dễ thương|nhiệt tình|uy tín",
    ),
    (
        Meaning::Watch,
        "hóng|hóng live|hóng quá|chấm|chấm hóng|xem|vào xem|coi|ngó|vào|ghé|nhìn|theo dõi|follow|up|cmt|comment|thèm|nghía|lướt|tag|share|shared\
         |chia sẻ|like|thả tim|ước|ước gì|xem live|đang xem|cham|vao",
    ),
    (
        Meaning::PhoneWord,
        "sđt|sdt|sddt|sđ|dt|đt|điện thoại|đthoai|số điện thoại|số đt|số dt|số|số em|số mình|số của em|phone|fone|tel|zalo|za lo|zl|liên hệ|lh|hotline|sđt em|sdt e",
    ),
    (
        Meaning::Inbox,
        "ib|inb|inbox|inboxx|ibox|ibx|nhắn tin|tin nhắn|nhắn|mess|messenger|rep|rep ib|check ib|check inbox|check tin nhắn|chat|nt",
    ),
    (
        Meaning::OldNumber,
        "số cũ|sđt cũ|sdt cũ|đt cũ|dt cũ|số điện thoại cũ|số đt cũ|địa chỉ cũ|đc cũ|thông tin cũ|tt cũ|info cũ|số như cũ|sđt như cũ|như cũ\
         |số như lần trước|sđt như lần trước|khách cũ|khách quen|số hôm trước|sđt hôm trước",
    ),
    (
        Meaning::NameWord,
        "tên|tên em|tên mình|tên là|em tên|em tên là|người nhận|tên người nhận|ten|nguoi nhan",
    ),
    (
        Meaning::AddressWord,
        "địa chỉ|đ chỉ|đchi|dchi|địa chỉ em|nhà ở|giao về địa chỉ|dia chi",
    ),
    (
        Meaning::PlaceWord,
        "quận|phường|hẻm|ngõ|ngách|kiệt|đường|phố|số nhà|nhà số|tổ|ấp|thôn|xóm|khu phố|kp|block|tầng|lầu|căn|căn hộ|phòng|chung cư|cc|tòa|tòa nhà\
         |quốc lộ|ql|tỉnh lộ|khóm|cư xá|khu|kdc|kđt|khu đô thị|xã|huyện|thị xã|thị trấn|tỉnh|thành phố|tp|q|p|tdp|tổ dân phố|ngã tư|ngã ba|chợ|đối diện",
    ),
    // Without marks these are also other words; the address finder reads them where a number follows.
    (Meaning::Otherwise, "to|can|xa|tang|tinh|pho|toa|ban|lo"),
    (
        Meaning::Place,
        "hn|hcm|tphcm|tp hcm|tp hồ chí minh|sài gòn|sg|sgn|hà nội|đà nẵng|đn|hải phòng|cần thơ|vũng tàu|nha trang|đà lạt|biên hòa|thủ đức|bình thạnh\
         |gò vấp|tân bình|tân phú|bình tân|phú nhuận|hóc môn|củ chi|nhà bè|bình chánh|cầu giấy|đống đa|hoàn kiếm|ba đình|hai bà trưng|thanh xuân|hà đông|long biên|hoàng mai",
    ),
    (
        Meaning::CodeWord,
        "mã|mã số|ms|code|mã sp|mã hàng|mã này|sp mã|sản phẩm mã|ma|ma so",
    ),
    (Meaning::AmountWord, "sl|slg|số lượng|s lượng|sluong|qty"),
    (
        Meaning::Unit,
        "cái|chiếc|bộ|hộp|cây|sp|sản phẩm|máy|cục|củ|cai|chiec|hop|cuc|may",
    ),
    (
        Meaning::Each,
        "mỗi|mỗi mã|mỗi loại|mỗi thứ|mỗi cái|mỗi món|mỗi em|mỗi con|mỗi sản phẩm|mỗi sp|mỗi mẫu|mỗi bộ|mỗi chiếc|moi ma|moi loai|moi thu|moi cai|moi mon",
    ),
    (Meaning::Connect, "và|với|vs|vớ|zới|cùng|lẫn|va|voi"),
    (Meaning::ColourWord, "màu|mầu|mau"),
    (Meaning::SizeWord, "size|sz|cỡ|saiz"),
    (
        Meaning::Goods,
        "tai nghe|sạc|củ sạc|cáp|cáp sạc|dây sạc|ốp|ốp lưng|loa|tivi|ti vi|tủ lạnh|máy giặt|máy lạnh|điều hòa|quạt|nồi|nồi cơm|nồi chiên|bếp|bếp từ|chuột\
         |bàn phím|pin dự phòng|sạc dự phòng|máy lọc|máy lọc không khí|máy hút bụi|máy xay|máy sấy|bàn ủi|bàn là|lò vi sóng|đồng hồ|điện thoại iphone|iphone|ip\
         |samsung|xiaomi|oppo|laptop|macbook|ipad|airpods|airpod|camera|router|wifi|thẻ nhớ|usb|màn hình|kính cường lực|cường lực|giá đỡ|gậy|dây|hub|adapter|op|cap|bep|quat",
    ),
    (
        Meaning::Ask,
        "bn|bnh|bnhieu|bao nhiêu|bao nhiu|bao nhiêu tiền|nhiêu|nhiu|nhiêu tiền|giá|giá bn|giá sao|mấy|mấy tiền|hả|hở|hử|sao|nào|gì|j|ji|đâu|ở đâu|ai|thế nào\
         |như nào|như thế nào|ntn|bao giờ|khi nào|chừng nào|bao lâu|tư vấn|hỏi|cho hỏi|cho em hỏi|em hỏi|xin giá|inbox giá|ib giá|báo giá|bảo hành|bh|đổi trả\
         |có sẵn|còn hàng|còn không|phí ship|tiền ship|nhỉ|phải không|đúng không|được không|được ko|được k|dc k|đc k|đc ko|dc ko|đc không|dc không|thật không|tốt không\
         |tương thích|thông số|cấu hình|review|rv|chính hãng không|cho xem|cho em xem|cho mình xem|xem giúp|tham khảo|giảm giá|có giảm|hàng gì|loại gì|của hãng nào\
         |hãng nào|kiểu gì|làm sao|gia|gia bn|con hang|con khong|con ko|con k",
    ),
    (
        Meaning::HalfAsk,
        "à|có|co|được|đc|dc|đuợc|đươc|hông ta|hen|hén|chứ|chớ|chi ta",
    ),
    (Meaning::Still, "còn|con"),
    (
        Meaning::No,
        "không|ko|k|kg|kh|khg|khong|hông|hong|hok|hk|hem|hum|khum|hôn|kô|hổng|hỏng phải|chẳng|chả",
    ),
    (Meaning::NotYet, "chưa|chua|ch"),
    (
        Meaning::Done,
        "rồi|rùi|rầu|òi|r|roi|xong|đã|vừa|mới|da dat|da chot|da lay|da mua|da ck|da chuyen khoan|da order",
    ),
    (
        Meaning::Condition,
        "nếu|nếu còn|nếu có|lỡ|giả sử|thì|miễn là|neu|thi|với điều kiện|khi có|có hàng thì",
    ),
    (Meaning::Choice, "hay|hoặc|hay là|or|hoặc là"),
    (
        Meaning::More,
        "thêm|nữa|kèm|cộng|cộng thêm|thêm nữa|lấy thêm|mua thêm|đặt thêm|chốt thêm|lại|lấy lại|đặt lại|vẫn|them|lai|van|kem theo",
    ),
    (
        Meaning::Later,
        "để|mai|mốt|ngày mai|sáng mai|chiều mai|tối mai|tuần sau|tháng sau|cuối tháng|đầu tháng|lương|đợi|chờ|tí|lát|chút|chút nữa|lát nữa|tí nữa|sau|bữa sau|hôm sau|lần sau\
         |tính|định|chắc|có thể|suy nghĩ|nghĩ|cân nhắc|hình như|sẽ|dự tính|dự định|giữ|de|sau nay|mai mot",
    ),
    (
        Meaning::Past,
        "hôm qua|hôm trước|hôm nọ|bữa trước|lần trước|bữa giờ|hồi nãy|lúc nãy|nãy|nãy giờ|hôm bữa|tuần trước|tháng trước|hồi sáng|đợt trước|live trước",
    ),
    (
        Meaning::Otherwise,
        "huy|bỏ|nhầm|lộn|sai|trừ|bớt|giảm|thôi|chỉ|nhưng|nhưng mà|mà|hết|tặng|bán|khác|thiếu|dư|đủ|toàn bộ|hết luôn|so|bo|tra|dung|ngoài|cu|doi|hoan|cũ|mỗi tội|combo|cặp|đôi|chục|tá|lố|thùng|cap doi|moi",
    ),
    // Presents for somebody are usual; `tặng` alone asks for one.
    (
        Meaning::Filler,
        "mua tặng|tặng mẹ|tặng bố|tặng vợ|tặng chồng|tặng bạn|tặng bé|tặng người yêu|tặng em gái|tặng bà|tặng ông|làm quà|mua cho|lấy cho|đặt cho|chốt cho",
    ),
    (
        Meaning::Game,
        "minigame|mini game|game|đoán|quay số|trúng|trúng thưởng|may mắn|thưởng|giải|vòng quay|rút thăm|tham gia|đáp án|số may mắn",
    ),
    (
        Meaning::Hold,
        "khoan|khoan đã|từ từ|đừng|để suy nghĩ|để em suy nghĩ|để nghĩ|để xem|để em xem|để mình xem|để hỏi|để em hỏi|để mình hỏi|để tính|để em tính\
         |chưa chốt|chưa lấy|chưa mua|chưa đặt|chưa order|chua chot|chua lay|chua mua|chua dat|đừng chốt|đừng lên đơn|đừng đặt|khoan chốt|khoan lấy|khoan lên đơn|chưa quyết định|chưa biết|chưa lên đơn",
    ),
    (
        Meaning::Change,
        "đổi|thay|chuyển sang|chuyển qua|sửa|sửa đơn|sửa lại|cập nhật|đổi lại|đổi sang|đổi qua|đổi thành|thay đổi|doi sang|doi qua|doi thanh|doi lai|doi mau|doi ma|đổi màu|đổi mã",
    ),
    (
        Meaning::Cancel,
        "hủy|hủy đơn|hủy mã|hủy giúp|hủy dùm|cancel|huy don|huy ma|huy giup|huy dum|huy gium|huy nha|huy nhe|huy di|cho huy|xin huy|bỏ đơn|bỏ mã|bỏ giúp|bỏ ra|bo don|bo ma\
         |khỏi lấy|khỏi giao|khỏi ship|khỏi gửi|thôi khỏi|thôi không|thôi ko|thôi k|rút đơn|đừng giao|đừng ship|đừng gửi|đừng lấy|không lấy|ko lấy|k lấy|hông lấy|hong lấy\
         |không mua|ko mua|k mua|không đặt|ko đặt|k đặt|không nhận|ko nhận|k nhận|không order|khỏi chốt|không cần nữa|ko cần nữa|không muốn lấy|ko muốn lấy|không muốn mua|đổi ý",
    ),
    (
        Meaning::Pay,
        "ck|chuyển khoản|chuyển tiền|thanh toán|banking|bank|cọc|đặt cọc|chuyển cọc|gửi tiền|trả tiền|bill|momo|quét mã|trả góp",
    ),
    (
        Meaning::Complaint,
        "lừa đảo|lừa|bị lỗi|hàng lỗi|lỗi rồi|bị hư|hư rồi|bị hỏng|hỏng rồi|bị vỡ|vỡ rồi|bị bể|bể rồi|bị móp|bị trầy|bị nứt|kém chất lượng|chất lượng kém|tệ|tệ quá|quá tệ|thất vọng|giao sai|giao nhầm|giao thiếu\
         |giao lộn|gửi sai|gửi nhầm|gửi thiếu|thiếu hàng|khiếu nại|bức xúc|hàng giả|hàng nhái|hàng fake|fake|dỏm|hàng dỏm|đồ dỏm|không hoạt động|ko hoạt động|không lên nguồn|ko lên nguồn|không sạc được|ko sạc được\
         |không sạc được|trả hàng|hoàn tiền|hoàn hàng|làm ăn|làm ăn kiểu|mất dạy|tố cáo|phốt|bóc phốt|không trả lời|ko trả lời|ko rep|k rep|không rep|chán|chán shop|không giống|ko giống|không đúng|ko đúng\
         |xài không được|dùng không được|dùng ko được|xài ko được|mới dùng đã|mới mua đã|hư hỏng|giao trễ|giao chậm|giao lâu|lâu quá",
    ),
    (
        Meaning::OrderStatus,
        "chưa nhận được|chưa nhận|chưa thấy|chưa giao|chưa gửi|chưa ship|chưa gọi|chưa có hàng|chưa tới|chưa đến|vẫn chưa|mã vận đơn|vận đơn|tra đơn|kiểm tra đơn|check đơn|tracking|theo dõi đơn|khi nào giao\
         |bao giờ giao|chừng nào giao|khi nào ship|bao giờ ship|khi nào nhận|bao giờ nhận|khi nào có hàng|khi nào tới|bao giờ tới|bao giờ có|khi nào gửi|giao chưa|gửi chưa|ship chưa|đi chưa|tới đâu|tới đâu rồi|đến đâu rồi\
         |lên đơn chưa|có đơn chưa|đơn đâu|đơn em đâu|đơn của em|đơn của mình|đơn hàng của em|đơn hàng của mình|đơn em|đơn mình|giao hàng chưa|gửi hàng chưa",
    ),
    (
        Meaning::Spam,
        "vay tiền|vay vốn|cho vay|vay nhanh|giải ngân|cộng tác viên|ctv|tuyển|tuyển dụng|tuyển ctv|kiếm tiền|việc nhẹ|việc nhẹ lương cao|làm tại nhà|tăng follow|tăng like|tăng tương tác|casino|nổ hũ|cá độ|cá cược|lô đề|soi cầu\
         |xem bói|hack|tool|bán data|đầu tư|lãi suất|hoa hồng|bit ly|shorturl|telegram|t me|bán tài khoản|nhận làm bằng|thu nhập",
    ),
    (
        Meaning::Rival,
        "bên em|bên mình|bên tui|bên tôi|bên e|bên mk|shop em|shop mình|shop tui|shop nhà em|tiệm em|kho em|kho mình|page em|page mình|bên shop em|bên shop mình",
    ),
    (
        Meaning::RivalOffer,
        "rẻ hơn|giá rẻ|giá rẻ hơn|bán rẻ|bán rẻ hơn|giá sỉ|sỉ lẻ|bỏ sỉ|sỉ|giá tốt|giá tốt hơn|xả kho|xả hàng|giá gốc|giá xưởng|re hon|gia re|nhận order|nhận ship|chuyên sỉ|chuyên bán|có bán|đang bán|đang sale|bán sỉ",
    ),
    (
        Meaning::Crowd,
        "mọi người|mn|mng|cả nhà|ai cần|ai mua|ai muốn|ai muốn mua|ace|anh chị em|các bạn|cả nhà ơi|mọi người ơi|khách nào|bà con|moi nguoi",
    ),
];
