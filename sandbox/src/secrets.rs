//! The accounts and secrets that both sides of a simulated connection share: fixed test values,
//! and the environment variables under which the gateway's shipped configuration looks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::signing;

/// The shipped channel ids (`config/channels.toml`), one per connector that the sandbox plays.
pub mod channel {
    /// The retailer's own site, Standard Webhooks.
    pub const WEB: &str = "web";
    /// The WooCommerce outlet.
    pub const WOO: &str = "woo-outlet";
    /// The Lazada shop.
    pub const LAZADA: &str = "lazada-vn";
    /// The Shopify shop.
    pub const SHOPIFY: &str = "shopify";
    /// The Haravan shop.
    pub const HARAVAN: &str = "haravan";
    /// The Sapo Web shop.
    pub const SAPO_WEB: &str = "sapo-web";
    /// The Sapo Omni account.
    pub const SAPO_OMNI: &str = "sapo-omni";
    /// The Shopee shop.
    pub const SHOPEE: &str = "shopee-vn";
    /// The Tiki shop.
    pub const TIKI: &str = "tiki-vn";
    /// The TikTok Shop.
    pub const TIKTOK: &str = "tiktok-vn";
    /// The Facebook page.
    pub const FACEBOOK: &str = "facebook-page";
    /// The Zalo Official Account.
    pub const ZALO: &str = "zalo-oa";
    /// The VNPay gateway.
    pub const VNPAY: &str = "vnpay";
    /// The MoMo wallet.
    pub const MOMO: &str = "momo";
    /// The ZaloPay wallet.
    pub const ZALOPAY: &str = "zalopay";
    /// The Mini App's CheckoutSDK.
    pub const ZALO_CHECKOUT: &str = "zalo-checkout";
    /// Bank transfers seen by SePay.
    pub const SEPAY: &str = "sepay";
    /// Bank transfers seen by Casso.
    pub const CASSO: &str = "casso";
    /// Orders that the call center types.
    pub const HOTLINE: &str = "hotline";
    /// Orders that a store counter types.
    pub const COUNTER: &str = "counter";
    /// The hotline's telephone at Stringee.
    pub const STRINGEE: &str = "stringee";
    /// The stores' telephone at OmiCall.
    pub const OMICALL: &str = "omicall";
}

/// An access token with its refresh token, as an account starts with.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct TokenPair {
    /// Sent with each call.
    pub access: String,
    /// Good for exactly one refresh.
    pub refresh: String,
    /// Life of the access token in seconds.
    pub expires_in_s: u32,
}

/// Account names and secrets of every simulated channel and target.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Secrets {
    /// Standard Webhooks secret of the website.
    pub web_secret: String,
    /// Standard Webhooks secret of what the website hears.
    pub web_callback_secret: String,
    /// Shopify's client secret.
    pub shopify_secret: String,
    /// Shopify's Admin API token.
    pub shopify_access_token: String,
    /// Haravan's app secret.
    pub haravan_secret: String,
    /// Haravan's Omni API token.
    pub haravan_access_token: String,
    /// Word of Haravan's handshake.
    pub haravan_verify_token: String,
    /// Sapo Web's API secret.
    pub sapo_web_secret: String,
    /// Sapo Web's access token.
    pub sapo_web_access_token: String,
    /// Sapo Omni's API secret.
    pub sapo_omni_secret: String,
    /// Sapo Omni's access token.
    pub sapo_omni_access_token: String,
    /// WooCommerce's webhook secret.
    pub woo_secret: String,
    /// WooCommerce's REST key.
    pub woo_consumer_key: String,
    /// WooCommerce's REST secret.
    pub woo_consumer_secret: String,
    /// Lazada's app.
    pub lazada_app_key: String,
    /// Key of Lazada's pushes and API signatures.
    pub lazada_app_secret: String,
    /// The shop on Lazada.
    pub lazada_seller_id: u64,
    /// First tokens of that shop.
    pub lazada_tokens: TokenPair,
    /// Shopee's partner id.
    pub shopee_partner_id: u64,
    /// Key of Shopee's API signatures.
    pub shopee_partner_key: String,
    /// Key of Shopee's pushes.
    pub shopee_push_key: String,
    /// The shop.
    pub shopee_shop_id: u64,
    /// The callback URL as typed into Shopee's console: part of the signed text.
    pub shopee_callback_url: String,
    /// First tokens of the shop.
    pub shopee_tokens: TokenPair,
    /// Tiki's app.
    pub tiki_client_id: String,
    /// The app's secret.
    pub tiki_client_secret: String,
    /// The code of the event queue.
    pub tiki_queue: String,
    /// Tiki's id of the seller's warehouse.
    pub tiki_seller_inventory: u64,
    /// A first access token; an in-house app has no refresh token, whatever stands in its place.
    pub tiki_tokens: TokenPair,
    /// Meta's app.
    pub facebook_app_id: String,
    /// TikTok Shop's app.
    pub tiktok_app_key: String,
    /// Key of TikTok Shop's webhooks and API signatures.
    pub tiktok_app_secret: String,
    /// The shop on TikTok.
    pub tiktok_shop_id: String,
    /// Names that shop in calls.
    pub tiktok_shop_cipher: String,
    /// First tokens of that shop.
    pub tiktok_tokens: TokenPair,
    /// Key of Meta's signatures.
    pub facebook_app_secret: String,
    /// Word of Meta's handshake.
    pub facebook_verify_token: String,
    /// The page.
    pub facebook_page_id: String,
    /// The page's access token.
    pub facebook_page_token: String,
    /// Zalo's app.
    pub zalo_app_id: String,
    /// Zalo's Official Account.
    pub zalo_oa_id: String,
    /// Key of Zalo's webhook signatures.
    pub zalo_oa_secret: String,
    /// Zalo's OAuth secret, another than the webhook's.
    pub zalo_app_secret: String,
    /// First tokens of the Official Account.
    pub zalo_tokens: TokenPair,
    /// Templates that Zalo has approved.
    pub zalo_templates: Vec<String>,
    /// Key of Stringee's signatures.
    pub stringee_signing_secret: String,
    /// What OmiCall's messages carry.
    pub omicall_token: String,
    /// VNPay's terminal.
    pub vnpay_tmn_code: String,
    /// Key of VNPay's hashes.
    pub vnpay_hash_secret: String,
    /// MoMo's partner.
    pub momo_partner_code: String,
    /// Stands in MoMo's signed texts.
    pub momo_access_key: String,
    /// Key of MoMo's signatures.
    pub momo_secret_key: String,
    /// ZaloPay's app.
    pub zalopay_app_id: u64,
    /// Key of calls to ZaloPay.
    pub zalopay_key1: String,
    /// Key of ZaloPay's callbacks.
    pub zalopay_key2: String,
    /// The Mini App.
    pub zalo_checkout_app_id: String,
    /// Key of CheckoutSDK's macs.
    pub zalo_checkout_private_key: String,
    /// Key of SePay's signatures.
    pub sepay_secret: String,
    /// Token of SePay's transaction API.
    pub sepay_api_token: String,
    /// Key of Casso's signatures.
    pub casso_checksum_key: String,
    /// API key of Casso's transaction API.
    pub casso_api_token: String,
    /// Secret per target id; a target without one gets `Secrets::target`'s derived value.
    pub targets: BTreeMap<String, String>,
    /// Environment variable per target id, where it is not `KENH_<ID>_SECRET`.
    pub target_variables: BTreeMap<String, String>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            web_secret: "whsec_c2FuZGJveC13ZWJzaXRlLXNlY3JldC0wMDAxLWtlbmg=".to_owned(),
            // One secret both ways, as where no other is configured.
            web_callback_secret: "whsec_c2FuZGJveC13ZWJzaXRlLXNlY3JldC0wMDAxLWtlbmg=".to_owned(),
            shopify_secret: "shpss_73616e64626f782d73686f70696679".to_owned(),
            shopify_access_token: "shpat_73616e64626f782d746f6b656e".to_owned(),
            haravan_secret: "sandbox-haravan-secret-0001".to_owned(),
            haravan_access_token: "sandboxHaravanAccess0001".to_owned(),
            haravan_verify_token: "sandbox-haravan-verify".to_owned(),
            sapo_web_secret: "sandbox-sapo-web-secret-0001".to_owned(),
            sapo_web_access_token: "sandboxSapoWebAccess0001".to_owned(),
            sapo_omni_secret: "sandbox-sapo-omni-secret-0001".to_owned(),
            sapo_omni_access_token: "sandboxSapoOmniAccess0001".to_owned(),
            woo_secret: "sandbox-woo-webhook-secret-0001".to_owned(),
            woo_consumer_key: "ck_5a4db0c0ffee0000000000000000000000000001".to_owned(),
            woo_consumer_secret: "cs_5a4db0c0ffee0000000000000000000000000002".to_owned(),
            lazada_app_key: "123456".to_owned(),
            lazada_app_secret: "sandbox_lazada_app_secret_0001".to_owned(),
            lazada_seller_id: 200_187_654_321,
            lazada_tokens: TokenPair {
                access: "50000sandboxLazadaAccess0001".to_owned(),
                refresh: "50001sandboxLazadaRefresh0001".to_owned(),
                expires_in_s: 2_592_000,
            },
            shopee_partner_id: 1_000_001,
            shopee_partner_key: "sandbox_shopee_partner_key_0001".to_owned(),
            shopee_push_key: "shpk73616e64626f782d707573682d6b6579".to_owned(),
            shopee_shop_id: 812_345_678,
            shopee_callback_url: "https://kenh.example.vn/webhooks/shopee-vn".to_owned(),
            shopee_tokens: TokenPair {
                access: "5a0b0c1d2e3f40516273849506172839".to_owned(),
                refresh: "6b1c2d3e4f5061728394a5b6c7d8e9f0".to_owned(),
                expires_in_s: 14_400,
            },
            tiki_client_id: "6249716820922226".to_owned(),
            tiki_client_secret: "sandbox_tiki_client_secret_0001".to_owned(),
            tiki_queue: "2b4f1c6e-0000-4000-8000-000000000001".to_owned(),
            tiki_seller_inventory: 900_123,
            tiki_tokens: TokenPair {
                access: "tikiSandboxAccess0001".to_owned(),
                refresh: "none".to_owned(),
                expires_in_s: 3_599,
            },
            facebook_app_id: "1000000000000001".to_owned(),
            tiktok_app_key: "6fh5sandbox001".to_owned(),
            tiktok_app_secret: "sandbox_tiktok_app_secret_0001".to_owned(),
            tiktok_shop_id: "7495812345678901234".to_owned(),
            tiktok_shop_cipher: "GCP_sandboxCipher0001".to_owned(),
            tiktok_tokens: TokenPair {
                access: "TTP_sandboxAccess0001".to_owned(),
                refresh: "TTP_sandboxRefresh0001".to_owned(),
                expires_in_s: 604_800,
            },
            facebook_app_secret: "sandbox-meta-app-secret-0123456789".to_owned(),
            facebook_verify_token: "sandbox-verify-token".to_owned(),
            facebook_page_id: "104512345678901".to_owned(),
            facebook_page_token: "EAAsandboxPageToken0001".to_owned(),
            zalo_app_id: "4000000000000000967".to_owned(),
            zalo_oa_id: "4000000000000000045".to_owned(),
            zalo_oa_secret: "sandbox-zalo-oa-secret".to_owned(),
            zalo_app_secret: "sandbox-zalo-app-secret".to_owned(),
            zalo_tokens: TokenPair {
                access: "zalo-access-0000000000000001".to_owned(),
                refresh: "zalo-refresh-000000000000001".to_owned(),
                expires_in_s: 90_000,
            },
            zalo_templates: ["7895417", "7895418", "7895419"]
                .map(str::to_owned)
                .to_vec(),
            stringee_signing_secret: "sandbox-stringee-signing-secret".to_owned(),
            omicall_token: "sandbox-omicall-token-0123456789".to_owned(),
            vnpay_tmn_code: "KENHDEMO".to_owned(),
            vnpay_hash_secret: "SANDBOXVNPAYSECRET0123456789ABCD".to_owned(),
            momo_partner_code: "MOMOKENHDEMO".to_owned(),
            momo_access_key: "sandboxMomoAccess".to_owned(),
            momo_secret_key: "sandboxMomoSecretKey0123456789ab".to_owned(),
            zalopay_app_id: 2553,
            zalopay_key1: "sandboxZaloPayKey1ForOurCalls001".to_owned(),
            zalopay_key2: "sandboxZaloPayKey2ForCallbacks02".to_owned(),
            zalo_checkout_app_id: "4012345678901234567".to_owned(),
            zalo_checkout_private_key: "sandbox-zalo-checkout-private-key".to_owned(),
            sepay_secret: "sandbox-sepay-webhook-secret-0001".to_owned(),
            sepay_api_token: "SANDBOXSEPAYAPITOKEN0001".to_owned(),
            casso_checksum_key: "sandbox-casso-checksum-key-0001".to_owned(),
            casso_api_token: "AK_CS.sandbox.0001".to_owned(),
            targets: BTreeMap::new(),
            target_variables: BTreeMap::new(),
        }
    }
}

impl Secrets {
    /// The Standard Webhooks secret that the gateway and this target share.
    pub fn target(&self, id: &str) -> String {
        self.targets.get(id).cloned().unwrap_or_else(|| {
            let digest = signing::shopee_api("sandbox target secret", id);
            // 48 hex digits are valid base64 of 36 bytes, inside the 24 to 64 that the rule asks.
            format!("whsec_{}", &digest[..48])
        })
    }

    /// The environment variable in which the gateway looks for this target's secret.
    pub fn target_variable(&self, id: &str) -> String {
        self.target_variables
            .get(id)
            .cloned()
            .unwrap_or_else(|| format!("KENH_{}_SECRET", id.to_uppercase().replace('-', "_")))
    }

    /// Everything that the gateway must find in its environment: variable → value.
    pub fn environment<'a>(
        &self,
        targets: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> = [
            ("KENH_WEB_SECRET", &self.web_secret),
            ("KENH_WEB_CALLBACK_SECRET", &self.web_callback_secret),
            ("KENH_SHOPIFY_SECRET", &self.shopify_secret),
            ("KENH_SHOPIFY_ACCESS_TOKEN", &self.shopify_access_token),
            ("KENH_HARAVAN_SECRET", &self.haravan_secret),
            ("KENH_HARAVAN_ACCESS_TOKEN", &self.haravan_access_token),
            ("KENH_HARAVAN_VERIFY_TOKEN", &self.haravan_verify_token),
            ("KENH_SAPO_WEB_SECRET", &self.sapo_web_secret),
            ("KENH_SAPO_WEB_ACCESS_TOKEN", &self.sapo_web_access_token),
            ("KENH_SAPO_OMNI_SECRET", &self.sapo_omni_secret),
            ("KENH_SAPO_OMNI_ACCESS_TOKEN", &self.sapo_omni_access_token),
            ("KENH_WOO_SECRET", &self.woo_secret),
            ("KENH_WOO_CONSUMER_KEY", &self.woo_consumer_key),
            ("KENH_WOO_CONSUMER_SECRET", &self.woo_consumer_secret),
            ("KENH_LAZADA_APP_SECRET", &self.lazada_app_secret),
            ("KENH_SHOPEE_PARTNER_KEY", &self.shopee_partner_key),
            ("KENH_SHOPEE_PUSH_KEY", &self.shopee_push_key),
            ("KENH_TIKI_CLIENT_SECRET", &self.tiki_client_secret),
            ("KENH_TIKTOK_APP_SECRET", &self.tiktok_app_secret),
            ("KENH_FACEBOOK_APP_SECRET", &self.facebook_app_secret),
            ("KENH_FACEBOOK_VERIFY_TOKEN", &self.facebook_verify_token),
            ("KENH_FACEBOOK_PAGE_TOKEN", &self.facebook_page_token),
            ("KENH_ZALO_OA_SECRET", &self.zalo_oa_secret),
            ("KENH_ZALO_APP_SECRET", &self.zalo_app_secret),
            ("KENH_VNPAY_HASH_SECRET", &self.vnpay_hash_secret),
            (
                "KENH_STRINGEE_SIGNING_SECRET",
                &self.stringee_signing_secret,
            ),
            ("KENH_OMICALL_TOKEN", &self.omicall_token),
            ("KENH_MOMO_ACCESS_KEY", &self.momo_access_key),
            ("KENH_MOMO_SECRET_KEY", &self.momo_secret_key),
            ("KENH_ZALOPAY_KEY1", &self.zalopay_key1),
            ("KENH_ZALOPAY_KEY2", &self.zalopay_key2),
            ("KENH_ZALO_CHECKOUT_KEY", &self.zalo_checkout_private_key),
            ("KENH_SEPAY_SECRET", &self.sepay_secret),
            ("KENH_SEPAY_API_TOKEN", &self.sepay_api_token),
            ("KENH_CASSO_CHECKSUM_KEY", &self.casso_checksum_key),
            ("KENH_CASSO_API_TOKEN", &self.casso_api_token),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
        for id in targets {
            variables.insert(self.target_variable(id), self.target(id));
        }
        variables
    }
}
