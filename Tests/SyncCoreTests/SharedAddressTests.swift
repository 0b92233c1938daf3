import SyncCore
import Testing

struct SharedAddressTests {
    private static func upload(_ status: RemoteUpload.Status, size: Int64? = 1) -> RemoteUpload {
        RemoteUpload(uri: "uploads/a", name: "a-0123456789ab.csv", status: status, size: size, md5: nil)
    }

    private static func remedy(
        _ entries: [RemoteUpload], shown: RemoteUpload?, isConfirmed: Bool = true
    ) -> SharedAddress.Remedy {
        SharedAddress.remedy(for: entries, shown: shown, isConfirmed: isConfirmed) { $0.size == 1 && !$0.hasFailed }
    }

    private static let (good, bad, open) = (upload(.completed), upload(.completed, size: 2), upload(.inProgress))

    @Test func `one upload at its address is left alone`() {
        #expect(Self.remedy([], shown: nil) == .none)
        #expect(Self.remedy([Self.bad], shown: Self.bad) == .none)
    }

    @Test func `of equals one goes, once two walks have shown them`() {
        #expect(Self.remedy([Self.good, Self.good], shown: Self.good, isConfirmed: false) == .wait)
        #expect(Self.remedy([Self.good, Self.good], shown: Self.good) == .takeOffOne)
    }

    @Test func `a bad one goes while the address shows it, and is told while it shows the good one`() {
        #expect(Self.remedy([Self.good, Self.bad], shown: Self.bad) == .takeOffOne)
        #expect(Self.remedy([Self.good, Self.bad], shown: Self.good) == .tell)
    }

    @Test func `nothing goes before it is known what each of them is`() {
        #expect(Self.remedy([Self.good, Self.open], shown: Self.good) == .wait)
        #expect(Self.remedy([Self.good, Self.bad], shown: nil) == .wait)
    }
}
