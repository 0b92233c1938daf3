extension Versions {
    /// The mapping's table is another one by now, and the row has no session yet: it goes to the new table. What it has
    /// to pass is never less than before: a content that was judged against the old table is examined again.
    ///
    /// - Parameters:
    ///   - delivery: as it is stored, with the table that it was to go to.
    ///   - table: what Redivis calls the mapping's present table.
    ///   - isExisting: whether the file was there before its mapping.
    /// - Returns: the row's new state, its content and its name forgotten; `nil`: two spellings of one table are one
    ///   table, and everything that is known stays.
    public static func rerouted(_ delivery: Delivery, to table: TableKey, isExisting: Bool) -> DeliveryState? {
        guard let known = delivery.tableKey, known != table, let stage = delivery.state.stage else { return nil }
        switch stage {
        case .pending:
            // Whoever was judged by `existing: auto` is judged by the uploads of the new table.
            return .working(.pending(isExisting ? .existing : .examine))
        case .opening, .reading, .transferring, .probing, .concluding, .lookingUp, .posting, .importing, .withdrawing:
            return nil
        }
    }

    /// What a row that goes to another table does where its path has a newer row whose content nobody knows yet: one path
    /// has one such row.
    public enum BesideUnread: Hashable, Sendable {
        /// That one ends this row, or turns out to be the same content.
        case waits
        /// That one has ended.
        case takesItsPlace
        /// That one rests until a person acts, and nothing can be read of this row any more.
        case ends(DeliveryState)
    }

    public static func beside(unread newer: DeliveryState) -> BesideUnread {
        switch newer {
        case .working, .waiting: .waits
        case .delivered, .abandoned: .takesItsPlace
        case .held, .parked: .ends(.abandoned(.superseded))
        }
    }

    /// The file has changed, or turned out not to be what settled, and its path settles anew.
    /// - Returns: what becomes of the row; `nil`: it is given up, since nothing of it was ever known.
    public static func resettled(_ delivery: Delivery) -> Resettling {
        guard delivery.state.isUnposted else { return .keep }
        return delivery.content == nil ? .giveUp : .end(.abandoned(.superseded))
    }

    public enum Resettling: Hashable, Sendable {
        /// What may be registered, or has ended, stays as it is: the path alone begins anew.
        case keep
        /// The row is deleted; its journal stays with the path.
        case giveUp
        case end(DeliveryState)
    }

    /// `forget` of a path whose content the queue does not hold yet, or whose version is delivered already.
    public static let ignoredByHand = DeliveryState.abandoned(.forgotten)

    /// A delivery of which only the receipt is left.
    public static func restored(_ receipt: Receipt) -> DeliveryState { .delivered(receipt) }
}
