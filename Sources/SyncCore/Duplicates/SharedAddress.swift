/// Where a server addresses uploads by name, several uploads of one name share one address (api.md 7.4): a request to
/// delete it takes off one of them, and nobody can say which.
public enum SharedAddress {
    public enum Remedy: Hashable, Sendable {
        case none
        /// What each of them is, or whether there are several at all, is not certain yet.
        case wait
        /// One of them may go: they are equal, or what the address shows is one that may not stay.
        case takeOffOne
        /// The one that may not stay is hidden behind a good one.
        case tell
    }

    /// - Parameters:
    ///   - entries: what one walk listed under the address, in one version.
    ///   - shown: what a request for the address answers with now.
    ///   - isConfirmed: whether an earlier walk has listed several too: entries move from page to page while others
    ///     register, so that one of them may be listed twice.
    ///   - fits: whether an upload is what was sent.
    public static func remedy(
        for entries: [RemoteUpload], shown: RemoteUpload?, isConfirmed: Bool, fits: (RemoteUpload) -> Bool
    ) -> Remedy {
        guard entries.count > 1 else { return .none }
        guard isConfirmed, let shown, !(entries + [shown]).contains(where: { $0.status == .inProgress }) else {
            return .wait
        }
        guard entries.allSatisfy(fits) else { return fits(shown) ? .tell : .takeOffOne }
        return .takeOffOne
    }
}

extension Delivery {
    /// Whether an upload may be what was sent, as far as Redivis has told.
    public func fits(_ upload: RemoteUpload) -> Bool {
        guard let content, !upload.hasFailed else { return false }
        return upload.size ?? content.size == content.size && upload.md5 ?? content.md5 == content.md5
    }

    /// Whether what is shown at the address of a registration of ours that is to go is a good upload: then it is another
    /// one's, since ours was found not to be what was sent. One of which nothing is told yet may be either.
    public func isAnother(_ shown: RemoteUpload, than registration: Registration) -> Bool {
        guard case .withdrawing(_, let why)? = state.stage, bearsOurName(registration), fits(shown), let content else {
            return false
        }
        switch why {
        case .importFailed, .contentDiffers: break
        case .sizeNeverTold, .renamed: return false
        }
        return shown.status == .inProgress || shown.md5 == content.md5
    }
}
