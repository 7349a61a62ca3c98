//! Whose the order is: what it says of its buyer, and the customer that the shell has found.

use super::Order;
use super::channel::value;
use crate::customer::{Evidence, Recipient};
use crate::snapshot::Buyer;

impl Order {
    /// What the order as a whole shows of its buyer. A phone stands beside the channel's id of the
    /// person only where staff have written it: what the channel's own documents bind is read from
    /// each of them ([`Evidence::of_snapshot`]), because an order folds many of them into one.
    #[must_use]
    pub fn buyer_evidence(&self) -> Evidence {
        let said = value(&self.said.buyer_external_id).cloned();
        let recipient = Recipient {
            name: self.judged.ship_to.name.as_deref(),
            phone: self.judged.ship_to.phone.as_deref(),
        };
        if let Some(edited) = self.staff.fold().edit.buyer {
            let buyer = Buyer {
                external_id: edited.external_id.clone().or(said),
                ..edited
            };
            return Evidence::of_buyer(&self.channel, &buyer, recipient);
        }
        let buyer = Buyer {
            external_id: said,
            ..self.judged.buyer.clone()
        };
        let mut evidence = Evidence::of_buyer(&self.channel, &buyer, recipient);
        if evidence.user.is_some() {
            evidence.phone = None;
        }
        evidence
    }

    /// The customer, once linked: the id of the identity that the order belongs to, which stays the
    /// same when customers become one.
    #[must_use]
    pub fn customer_id(&self) -> Option<&str> {
        self.customer_id.as_deref()
    }

    /// Links the customer; says whether that is new.
    pub fn link_customer(&mut self, customer_id: &str) -> bool {
        let new = self.customer_id.as_deref() != Some(customer_id);
        if new {
            self.customer_id = Some(customer_id.to_owned());
            self.version += 1;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::order::{Action, Edit, Fact};
    use crate::snapshot::Snapshot;

    fn take(order: &mut Order, fact: &Fact) {
        let world = World::new();
        let _applied = order.apply(fact, &world.context());
    }

    /// A document that names the person in the channel and hides the rest.
    fn known() -> Fact {
        said(Snapshot {
            buyer: Some(Buyer {
                external_id: Some("77".to_owned()),
                ..Buyer::default()
            }),
            ..snapshot()
        })
    }

    fn edited(phone: &str) -> Fact {
        let edit = Edit {
            buyer: Some(Buyer {
                phone: Some(phone.to_owned()),
                ..Buyer::default()
            }),
            ..Edit::default()
        };
        staff("c1", 1, Action::Edit(Box::new(edit)))
    }

    fn key(order: &Order) -> Option<String> {
        Some(order.buyer_evidence().identity()?.key())
    }

    #[test]
    fn an_order_belongs_to_the_person_in_the_channel_else_to_the_phone() {
        let mut order = order();
        take(&mut order, &said(snapshot()));
        assert_eq!(key(&order).as_deref(), Some("phone:+84901234567"));
        take(&mut order, &known());
        assert_eq!(key(&order).as_deref(), Some("user:web:77"));
        assert_eq!(
            order.buyer_evidence().binding(),
            None,
            "no document had both"
        );
    }

    #[test]
    fn staff_who_write_the_phone_bind_it_to_the_person() {
        let mut order = order();
        take(&mut order, &known());
        take(&mut order, &edited("0912 345 678"));
        let (user, phone) = order.buyer_evidence().binding().unwrap();
        assert_eq!(user.key(), "user:web:77");
        assert_eq!(phone.key(), "phone:+84912345678");
    }

    #[test]
    fn linking_the_same_customer_again_changes_nothing() {
        let mut order = order();
        assert!(order.link_customer("cus_1"));
        let version = order.version();
        assert!(!order.link_customer("cus_1"));
        assert_eq!(order.version(), version);
        assert_eq!(order.customer_id(), Some("cus_1"));
        assert_eq!(order.view().buyer.customer_id.as_deref(), Some("cus_1"));
    }
}
