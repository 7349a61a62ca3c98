//! Which means of payment a gateway's name stands for. Shops name their gateways freely, so words
//! are looked for; what an operator calls by a name of its own goes into `cod_gateways`.

use domain::snapshot::PaymentMethod;

/// The means of payment behind these names; cash on delivery wins, since it alone asks the carrier
/// to collect. `None` where there is no name.
pub(in crate::channels) fn method<'a>(
    names: impl IntoIterator<Item = &'a str>,
    cod_gateways: &[String],
) -> Option<PaymentMethod> {
    names
        .into_iter()
        .map(|name| name.trim().to_lowercase())
        .filter(|name| !name.is_empty())
        .map(|name| one(&name, cod_gateways))
        .reduce(|first, next| {
            if next == PaymentMethod::Cod {
                next
            } else {
                first
            }
        })
}

fn one(name: &str, cod_gateways: &[String]) -> PaymentMethod {
    const COD: [&str; 6] = [
        "cash on delivery",
        "khi giao hàng",
        "khi nhận hàng",
        "thu hộ",
        "tiền mặt khi",
        "thanh toán khi nhận",
    ];
    const BANK: [&str; 6] = [
        "chuyển khoản",
        "chuyen khoan",
        "bank",
        "ngân hàng",
        "vietqr",
        "bacs",
    ];
    const WALLETS: [&str; 6] = [
        "momo",
        "zalopay",
        "shopeepay",
        "viettel money",
        "vnpt money",
        "ví điện tử",
    ];
    const INSTALMENTS: [&str; 6] = [
        "trả góp",
        "installment",
        "instalment",
        "kredivo",
        "fundiin",
        "homepaylater",
    ];
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    // As a word of its own: "qrcode" is not cash on delivery.
    let says_cod = name
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == "cod");
    let is_named = cod_gateways
        .iter()
        .any(|cod| cod.trim().to_lowercase() == name);
    if says_cod || is_named || has(&COD) {
        PaymentMethod::Cod
    } else if has(&INSTALMENTS) {
        PaymentMethod::Installment
    } else if has(&WALLETS) {
        PaymentMethod::Wallet
    } else if has(&["card", "thẻ", "visa", "stripe"]) {
        PaymentMethod::Card
    } else if has(&BANK) {
        PaymentMethod::BankTransfer
    } else {
        PaymentMethod::Prepaid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_shops_give_are_understood() {
        let one = |name: &str| method([name], &[]);
        for cod in [
            "Cash on Delivery (COD)",
            "Thanh toán khi giao hàng (COD)",
            "COD",
            "Ship cod",
        ] {
            assert_eq!(one(cod), Some(PaymentMethod::Cod), "{cod}");
        }
        assert_eq!(one("VietQR qrcode"), Some(PaymentMethod::BankTransfer));
        assert_eq!(
            one("Chuyển khoản ngân hàng"),
            Some(PaymentMethod::BankTransfer)
        );
        assert_eq!(one("Ví MoMo"), Some(PaymentMethod::Wallet));
        assert_eq!(one("Trả góp qua thẻ"), Some(PaymentMethod::Installment));
        assert_eq!(one("VNPAY"), Some(PaymentMethod::Prepaid));
        assert_eq!(one(" "), None);
    }

    #[test]
    fn a_name_of_the_operators_own_may_mean_cash_on_delivery() {
        let own = ["Trả tiền cho shipper".to_owned()];
        assert_eq!(
            method(["bogus", "trả tiền cho shipper"], &own),
            Some(PaymentMethod::Cod)
        );
    }
}
