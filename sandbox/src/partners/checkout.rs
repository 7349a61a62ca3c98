//! CheckoutSDK's question about one order.

use serde_json::json;

use super::{
    Call, Reply,
    money::{Provider, violation},
};
use crate::{
    signing,
    world::{World, held},
};

const US: Provider = Provider::ZaloCheckout;

pub(crate) fn act(world: &World, call: &Call) -> Reply {
    if (call.method.as_str(), &*call.path) != ("GET", "/api/transaction/get-status") {
        return Reply::empty(404);
    }
    let (app_id, key) = (
        &world.secrets.zalo_checkout_app_id,
        &world.secrets.zalo_checkout_private_key,
    );
    let order_id = call.parameter("orderId");
    let base = format!(
        "appId={}&orderId={order_id}&privateKey={key}",
        call.parameter("appId")
    );
    if call.parameter("mac") != signing::wallet(key, &base) || call.parameter("appId") != app_id {
        violation(world, US, "mac does not match");
        held(&world.ledger).channel(US.name()).refused += 1;
        return Reply::json(
            200,
            json!({"returnCode": -1, "returnMessage": "mac is invalid"}),
        );
    }
    let money = held(&world.money);
    let found = money
        .payments
        .iter()
        .find(|((provider, _), payment)| *provider == US && payment.order_id == order_id);
    let Some(((_, reference), payment)) = found else {
        return Reply::json(
            200,
            json!({"returnCode": -1, "returnMessage": "Đơn hàng không tồn tại"}),
        );
    };
    let extradata = json!({ "orderCode": reference }).to_string();
    Reply::json(
        200,
        json!({
            "transId": payment.transaction.to_string(),
            "method": "ZALOPAY",
            "returnCode": 1,
            "returnMessage": "Giao dịch thành công",
            "isProcessing": false,
            "amount": payment.amount,
            "transTime": payment.paid_at,
            "merchantTransId": payment.transaction.to_string(),
            "extradata": signing::form_encode(&extradata),
        }),
    )
}
