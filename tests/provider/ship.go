package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ship is yard_ship. A change of its name or class is another ship.
type ship struct{ yard *yard }

var (
	_ resource.ResourceWithConfigure   = (*ship)(nil)
	_ resource.ResourceWithModifyPlan  = (*ship)(nil)
	_ resource.ResourceWithImportState = (*ship)(nil)
)

type model struct {
	ID       types.String `tfsdk:"id"`
	Secret   types.String `tfsdk:"secret"`
	Name     types.String `tfsdk:"name"`
	Class    types.String `tfsdk:"class"`
	Cargo    types.String `tfsdk:"cargo"`
	Password types.String `tfsdk:"password"`
	Fail     types.String `tfsdk:"fail"`
	Delay    types.String `tfsdk:"delay"`
}

func (*ship) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "yard_ship"
}

func (*ship) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	kept := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	another := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":       schema.StringAttribute{Computed: true, PlanModifiers: kept},
		"secret":   schema.StringAttribute{Computed: true, Sensitive: true, PlanModifiers: kept, Description: "Made with the ship; nobody else knows it."},
		"name":     schema.StringAttribute{Required: true, PlanModifiers: another},
		"class":    schema.StringAttribute{Optional: true, PlanModifiers: another},
		"cargo":    schema.StringAttribute{Optional: true},
		"password": schema.StringAttribute{Optional: true, Sensitive: true},
		"fail":     schema.StringAttribute{Optional: true, Description: "`create.before`, `create.after`, `update.before` … : fail then."},
		"delay":    schema.StringAttribute{Optional: true, Description: "How long create, update and delete take."},
	}}
}

func (s *ship) Configure(_ context.Context, q resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if y, ok := q.ProviderData.(*yard); ok {
		s.yard = y
	}
}

func (m model) at(op, when string) moment {
	return moment{name: m.Name.ValueString(), op: op, when: when, fail: m.Fail.ValueString(), delay: m.Delay.ValueString()}
}

func (m model) hull() hull {
	return hull{ID: m.ID.ValueString(), Name: m.Name.ValueString(), Class: m.Class.ValueString(), Cargo: m.Cargo.ValueString(),
		Password: m.Password.ValueString(), Secret: m.Secret.ValueString()}
}

// take puts what is real over what is known. Nothing and "" are one to a ship.
func (m *model) take(h hull) {
	set := func(v *types.String, real string) {
		if real != v.ValueString() {
			*v = types.StringValue(real)
		}
	}
	set(&m.ID, h.ID)
	set(&m.Name, h.Name)
	set(&m.Class, h.Class)
	set(&m.Cargo, h.Cargo)
	set(&m.Password, h.Password)
	set(&m.Secret, h.Secret)
}

func failed(d *diag.Diagnostics, err error) {
	if err != nil {
		d.AddError("The yard says no", err.Error())
	}
}

// ModifyPlan changes nothing: it is where a plan can be held.
func (s *ship) ModifyPlan(ctx context.Context, q resource.ModifyPlanRequest, r *resource.ModifyPlanResponse) {
	if q.Plan.Raw.IsNull() || s.yard == nil {
		return
	}
	var m model
	r.Diagnostics.Append(q.Plan.Get(ctx, &m)...)
	if !r.Diagnostics.HasError() {
		failed(&r.Diagnostics, s.yard.pass(ctx, m.at("plan", "before")))
	}
}

func (s *ship) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var m model
	r.Diagnostics.Append(q.Plan.Get(ctx, &m)...)
	if r.Diagnostics.HasError() {
		return
	}
	m.ID, m.Secret = types.StringValue(newID()), types.StringValue("secret-"+newID())
	done, err := s.yard.act(ctx, m.at("create", ""), m.ID.ValueString(), func() error { return s.yard.keep(m.hull()) })
	if done { // beside an error too: then it is tainted
		r.Diagnostics.Append(r.State.Set(ctx, &m)...)
	}
	failed(&r.Diagnostics, err)
}

func (s *ship) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var m model
	r.Diagnostics.Append(q.State.Get(ctx, &m)...)
	if r.Diagnostics.HasError() {
		return
	}
	if err := s.yard.pass(ctx, m.at("read", "before")); err != nil {
		failed(&r.Diagnostics, err)
		return
	}
	h, err := s.yard.read(m.ID.ValueString())
	if err != nil {
		failed(&r.Diagnostics, err)
		return
	}
	if h == nil {
		r.State.RemoveResource(ctx)
		return
	}
	m.take(*h)
	r.Diagnostics.Append(r.State.Set(ctx, &m)...)
}

func (s *ship) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var m model
	r.Diagnostics.Append(q.Plan.Get(ctx, &m)...)
	if r.Diagnostics.HasError() {
		return
	}
	done, err := s.yard.act(ctx, m.at("update", ""), m.ID.ValueString(), func() error { return s.yard.keep(m.hull()) })
	if done {
		r.Diagnostics.Append(r.State.Set(ctx, &m)...)
	}
	failed(&r.Diagnostics, err)
}

func (s *ship) Delete(ctx context.Context, q resource.DeleteRequest, r *resource.DeleteResponse) {
	var m model
	r.Diagnostics.Append(q.State.Get(ctx, &m)...)
	if r.Diagnostics.HasError() {
		return
	}
	_, err := s.yard.act(ctx, m.at("delete", ""), m.ID.ValueString(), func() error { return s.yard.remove(m.ID.ValueString()) })
	failed(&r.Diagnostics, err)
}

func (s *ship) ImportState(ctx context.Context, q resource.ImportStateRequest, r *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), q, r)
}
