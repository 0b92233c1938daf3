/// Where a delivery stands. Stored as JSON with a format version (`DeliveryState.formatVersion`); every state that
/// was ever written still decodes.
public enum DeliveryState: Hashable, Codable, Sendable {
    /// Something is to be done now.
    case working(Stage)
    /// The same, once `Delay` is over.
    case waiting(Stage, Delay)
    case delivered(Receipt)
    /// A person chooses: see `resolve`.
    case held(HoldReason)
    /// Stopped until a person acts.
    case parked(ParkReason)
    case abandoned(AbandonReason)

    public static let formatVersion = 1
}

/// The live half of the journey: each stage names the one thing that is done next.
public enum Stage: Hashable, Codable, Sendable {
    /// Whether to send is decided: `examine` reads the file to know its content first.
    case pending(Admission)
    case opening
    /// It goes inside the request that registers it, and has to have its name for that: its content is settled first.
    case reading
    case transferring(UploadSession, TransferProgress)
    /// The server is asked how much it has before one more byte is sent.
    case probing(UploadSession, TransferProgress)
    /// The server has every byte; what they are is settled.
    case concluding(UploadSession, TransferProgress)
    case lookingUp(RegistrationSource, LookUp)
    case posting(RegistrationSource, PostAttempt)
    case importing(Registration)
    case withdrawing(Registration, Withdrawal)
}

/// How a file came into the queue.
public enum Admission: String, Codable, Sendable {
    /// A path never seen: its content becomes known while it is sent.
    case fresh
    /// A known path, a possible move or hard link: its content is known before anything is sent.
    case examine
    /// It was there when the mapping was first loaded, and `existing: auto` judges it by its content.
    case existing
    /// Its content is known and it is to be sent.
    case examined
}

public struct Delay: Hashable, Codable, Sendable {
    public let until: MonotonicInstant
    /// The same on the wall clock, for people.
    public let untilWall: Timestamp
    public let reason: String

    public init(until: MonotonicInstant, untilWall: Timestamp, reason: String) {
        self.until = until
        self.untilWall = untilWall
        self.reason = reason
    }
}

public enum HoldReason: Hashable, Codable, Sendable {
    /// A delivered version of this path exists, and the file now has another content.
    case changed
    /// It was there before, and the table already has uploads that are not ours.
    case tableHasOtherUploads
    /// It was there before, and equals an upload that was registered under another name.
    case equalsUpload(String)
    /// It was there before, and the mapping says `existing: hold`.
    case existing
}

public enum ParkReason: Hashable, Codable, Sendable {
    /// Redivis's own words.
    case importFailed(String)
    case contentDiffers(String)
    case rejected(String)
    /// The storage host refused a fresh session too.
    case sessionRefused(String)
    /// Sessions died again and again without one byte confirmed.
    case sessionsLost(String)
    case unreadable(String)
    /// A name of ours is taken by an upload that is not this content.
    case nameTaken(String)
    /// Our upload disappeared from the table before its import had ended.
    case removedFromTable
    /// The row in the state database contradicts itself.
    case stateDamaged(String)
    /// One of our uploads should be taken off the table and cannot be. `of` is what was tried, and what `retry` tries
    /// again; `nil` in rows of versions that did not keep it.
    case withdrawalRefused(String, of: RefusedWithdrawal? = nil)
}

/// An upload of ours that Redivis does not let go of, and why it should go.
public struct RefusedWithdrawal: Hashable, Codable, Sendable {
    public let registration: Registration
    public let why: Withdrawal

    public init(_ registration: Registration, _ why: Withdrawal) {
        self.registration = registration
        self.why = why
    }
}

extension ParkReason {
    /// Whether an upload of ours may be on the table still, where a person must see it.
    public var mayBeRegistered: Bool {
        switch self {
        case .withdrawalRefused: true
        case .importFailed, .contentDiffers, .rejected, .sessionRefused, .sessionsLost, .unreadable, .nameTaken,
            .removedFromTable, .stateDamaged:
            false
        }
    }

    /// Whether an upload of it may be on the table, as far as the reason alone tells.
    var leavesPossibleUpload: Bool {
        switch self {
        case .removedFromTable, .nameTaken, .withdrawalRefused: true
        case .importFailed, .contentDiffers, .rejected, .sessionRefused, .sessionsLost, .unreadable, .stateDamaged:
            false
        }
    }
}

public enum AbandonReason: Hashable, Codable, Sendable {
    /// Deleted before it could be sent.
    case gone
    /// Overwritten by a newer version.
    case superseded
    /// By a rule of the mapping.
    case ignored(String)
    /// By hand: `forget`, or `resolve --ignore`.
    case forgotten
}
