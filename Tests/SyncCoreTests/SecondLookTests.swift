import SyncCore
import Testing

struct SecondLookTests {
    private static let table = TableKey("demo.weather.readings")
    private static let own = "uploads/1"
    private static let name = "a-0123456789ab.csv"

    private static func look(_ state: DeliveryState, looks: Int = 0) -> SecondLook {
        SecondLook(
            delivery: made(state), newestReleased: nil, until: Timestamp(milliseconds: 86_400_000), looks: looks)
    }

    private static func made(_ state: DeliveryState) -> Delivery {
        var delivery = Sample.delivery(state)
        delivery.uploadName = name
        return delivery
    }

    private static var importing: DeliveryState {
        .working(
            .importing(
                Registration(
                    uri: own, name: name, newestReleased: nil, registeredAt: Timestamp(milliseconds: 0),
                    isAdopted: false)))
    }

    private static func met(
        _ uri: String, _ status: RemoteUpload.Status = .completed, in version: TableVersion = .draft
    ) -> MetUpload {
        MetUpload(RemoteUpload(uri: uri, name: name, status: status, size: 1, md5: nil), in: version)
    }

    private static let released = TableVersion.released(VersionTag(major: 1, minor: 0))

    private static func binding(_ met: [MetUpload]) -> SecondLook.Binding {
        let look = look(importing)
        return look.binding(look.verdict(on: met))
    }

    @Test func `alone it is left alone`() {
        #expect(Self.binding([Self.met(Self.own)]) == .stays)
        #expect(Self.look(Self.importing).verdict(on: [Self.met(Self.own)]).superfluous.isEmpty)
    }

    @Test func `it belongs to the upload that every agent keeps`() {
        let other = Self.met("uploads/0")
        #expect(Self.binding([Self.met(Self.own), other]) == .moves(to: other))
        #expect(Self.binding([Self.met(Self.own), Self.met("uploads/2")]) == .stays)
        // Taken off by another agent.
        #expect(Self.binding([Self.met("uploads/2")]) == .moves(to: Self.met("uploads/2")))
    }

    @Test func `an upload of another content does not count`() {
        let look = Self.look(Self.importing)
        let other = RemoteUpload(uri: "uploads/0", name: Self.name, status: .completed, size: -1, md5: nil)
        #expect(!look.isOurs(other))
        #expect(look.isOurs(RemoteUpload(uri: Self.own, name: Self.name, status: .completed, size: -1, md5: nil)))
        #expect(look.isOurs(RemoteUpload(uri: "uploads/0", name: Self.name, status: .inProgress, size: nil, md5: nil)))
    }

    @Test func `where none is left it is lost, and a failed one of others is none`() {
        #expect(Self.binding([]) == .lost)
        #expect(Self.binding([Self.met("uploads/0", .failed("no"))]) == .lost)
        #expect(Self.binding([Self.met(Self.own, .failed("no"))]) == .stays)
    }

    @Test func `before it has a registration nothing is decided`() {
        let look = Self.look(.working(.pending(.examined)))
        #expect(look.verdict(on: [Self.met("uploads/0"), Self.met("uploads/1")]) == DuplicateVerdict())
    }

    @Test func `looks come ever more rarely, and one when the session is dead`() {
        let doubt = Duration.seconds(120)
        var times: [Int64] = []
        var now = Timestamp(milliseconds: 0)
        for looks in 0..<40 {
            guard let next = Self.look(Self.importing, looks: looks).next(after: now, doubt: doubt) else { break }
            times.append(next.milliseconds / 1000)
            now = next
        }
        #expect(times == [120, 360, 840, 1800, 3720, 7560, 15_240, 30_600, 61_320, 86_400])
    }

    /// N-36: one DELETE that was refused left two uploads of a file in an open draft for a day.
    @Test func `a twin that stands is looked for every day, and one in the draft is tried again`() {
        let late = Timestamp(milliseconds: 900_000_000)
        func next(looks: Int, _ version: TableVersion) -> Duration? {
            let twin = Twin(upload: Self.met("uploads/1").upload, version: version, fate: .stands("refused"))
            return Self.look(Self.importing, looks: looks)
                .next(after: late, doubt: .seconds(120), standing: [twin])?.since(late)
        }
        #expect(next(looks: 0, Self.released) == .seconds(86_400))
        #expect([0, 1, 4].map { next(looks: $0, .draft) } == [.seconds(120), .seconds(240), .seconds(1920)])
        #expect(next(looks: 40, .draft) == .seconds(86_400))
        #expect(Self.look(Self.importing).next(after: late, doubt: .seconds(120)) == nil)
    }
}
