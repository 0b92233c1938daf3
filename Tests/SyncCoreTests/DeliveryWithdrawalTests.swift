import Foundation
import SyncCore
import Testing

/// An upload of ours that Redivis does not let go of concerns its delivery alone.
@Suite struct DeliveryWithdrawalTests {
    private static let stage = Stage.withdrawing(Sample.registration(), .importFailed("no header"))

    @Test func `a withdrawal that is forbidden is asked once more, then parked with what was tried`() {
        let once = Sample.delivery(Self.stage).decide(
            on: .effectFailed(Sample.failure(.forbidden)), in: Sample.context())
        #expect(once.words == "waiting withdrawing importFailed -> none")
        let twice = once.delivery.decide(on: .effectFailed(Sample.failure(.forbidden)), in: Sample.context(at: 30))
        let refused = RefusedWithdrawal(Sample.registration(), .importFailed("no header"))
        #expect(twice.delivery.state == .parked(.withdrawalRefused("it went wrong", of: refused)))
    }

    @Test func `a retry of what is still on the table takes it off first`() {
        let refused = RefusedWithdrawal(Sample.registration(), .contentDiffers("other bytes"))
        let parked = Sample.delivery(.parked(.withdrawalRefused("403", of: refused)))
        let retried = parked.decide(on: .byHand(.retryRequested), in: Sample.context())
        #expect(retried.words == "withdrawing contentDiffers -> none")
        #expect(retried.delivery.tally == Delivery.Tally())
        // Rows of earlier versions did not keep what was tried.
        let old = Sample.delivery(.parked(.withdrawalRefused("403")))
        #expect(old.decide(on: .byHand(.retryRequested), in: Sample.context()).words == "pending examined -> none")
    }

    @Test func `a refused withdrawal is stored as before, with what was tried beside it`() throws {
        let old = try JSONDecoder().decode(
            ParkReason.self, from: Data(#"{"withdrawalRefused":{"_0":"403"}}"#.utf8))
        #expect(old == .withdrawalRefused("403"))
        let refused = RefusedWithdrawal(Sample.registration(), .sizeNeverTold)
        let new = ParkReason.withdrawalRefused("403", of: refused)
        #expect(try JSONDecoder().decode(ParkReason.self, from: JSONEncoder().encode(new)) == new)
    }
}
